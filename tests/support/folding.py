"""Folds streams of events with the pure projection, which tests compare with that of the database."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.stored_event import StoredEvent, read_event


def stored_event(row: Mapping[str, Any]) -> StoredEvent:
    """Read a row of the log."""
    envelope = {name: value for name, value in row.items() if name not in {"type", "data"}}
    return StoredEvent(event=read_event(row["type"], row["data"]), **{**envelope, "xid": int(row["xid"])})


def fold(events: Iterable[StoredEvent]) -> BatchState | None:
    """Fold a batch's stream, in the order of versions."""
    return reduce(evolve_batch, events, None)
