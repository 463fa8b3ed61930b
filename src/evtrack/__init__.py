"""evtrack: an immutable PostgreSQL event log for batch work, with crash-isolated workers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evtrack.version import __version__

if TYPE_CHECKING:
    from evtrack.interfaces.python_api import enqueue, submit, tail
    from evtrack.runtime.slot.batch import Batch, Context
    from evtrack.runtime.slot.handlers import batch_handler, handler

__all__ = ["Batch", "Context", "__version__", "batch_handler", "enqueue", "handler", "submit", "tail"]

# Imported on first use: a slot imports evtrack too, and must start fast and without psycopg.
_HOMES = {
    "Batch": "evtrack.runtime.slot.batch",
    "Context": "evtrack.runtime.slot.batch",
    "batch_handler": "evtrack.runtime.slot.handlers",
    "enqueue": "evtrack.interfaces.python_api",
    "handler": "evtrack.runtime.slot.handlers",
    "submit": "evtrack.interfaces.python_api",
    "tail": "evtrack.interfaces.python_api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evtrack' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
