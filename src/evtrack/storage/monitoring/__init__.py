"""Monitoring: the alert outbox, metrics, and facts for `evtrack doctor`."""
