"""The dashboard: pages over HTTP, read-only unless it is told otherwise."""
