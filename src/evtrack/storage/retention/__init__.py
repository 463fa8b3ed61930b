"""Retention: read and drop days of the log, restore them from an archive, and the ledger of dropped jobs."""
