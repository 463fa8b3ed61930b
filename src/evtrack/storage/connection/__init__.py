"""Connections to PostgreSQL: open them, check them, run queries, translate errors, listen."""
