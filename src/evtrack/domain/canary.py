"""The handler that every worker has, and that runs no user code."""

from typing import Final

CANARY: Final = "evtrack.canary"
"""`evtrack doctor` sends it a batch; listings pass over its jobs."""
