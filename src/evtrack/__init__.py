"""evtrack: an immutable PostgreSQL event log for batch work, with crash-isolated workers."""

__version__ = "0.1.0"
