"""The arguments of a handler: a batch of items, and the context of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evtrack.domain.log_values import json_record
from evtrack.domain.ordinals import Ordinals
from evtrack.runtime.slot.output import FACTS, RECORD_BYTES, RESERVED, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.runtime.slot.shared_page import SharedPage


class Context:
    """What a handler may know about its call, its heartbeat and its log.

    Args:
        page: Where signs of life are recorded.
        batch_no: The batch in the job.
        attempt: How often this batch has been claimed, this time included.
    """

    __slots__ = ("_log", "_page", "attempt", "batch_no", "handler", "item_key", "job_id")

    def __init__(self, page: SharedPage, handler: str, job_id: int, batch_no: int, attempt: int) -> None:
        self._page = page
        self._log: Any = None
        self.handler = handler
        self.job_id = job_id
        self.batch_no = batch_no
        self.attempt = attempt
        self.item_key: str | None = None
        """Key of the current item; None while a batch handler has the whole batch."""

    def heartbeat(self) -> None:
        """Report that the handler is alive, so that a long item is not taken for a stalled one."""
        self._page.beat()

    @property
    def log(self) -> Any:
        """A structlog logger whose lines the worker logs with job, batch, attempt and item."""
        if self._log is None:
            import structlog  # noqa: PLC0415  a slot starts without it, and most handlers never use it

            self._log = structlog.wrap_logger(
                _Records(),
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.format_exc_info,
                    # What must not be cut comes first.
                    lambda _logger, _method, line: json_record({"event": line.pop("event"), **line}, RECORD_BYTES),
                ],
                wrapper_class=_keeping_facts(structlog.make_filtering_bound_logger(0)),
            )
        return self._log.bind(
            handler=self.handler,
            job_id=self.job_id,
            batch_no=self.batch_no,
            attempt=self.attempt,
            item_key=self.item_key,
        )


def _keeping_facts(base: Any) -> Any:
    """Return a class of loggers in which a fact may be named like what each line has: it gets an underscore."""

    def renaming(name: str) -> Any:
        method = getattr(base, name)

        def log(self: Any, event: Any = None, /, *args: Any, **facts: Any) -> Any:
            return method(self, event, *args, **{f"{key}_" if key in RESERVED else key: facts[key] for key in facts})

        return log

    names = ("debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "msg")
    return type("ContextLogger", (base,), {name: renaming(name) for name in names if hasattr(base, name)})


class _Records:
    """Writes what structlog has rendered."""

    def msg(self, text: str) -> None:
        write_record(FACTS, text)

    debug = info = warning = error = critical = exception = log = msg


class Batch:
    """An ordered list of items that run together.

    Iterating over it records the current item, so that a crash report names it. After a crash the batch is still split
    into halves: the item that a batch handler has reached need not be the one that killed it.

    Args:
        context: The context of this call.
        page: Where the current item is recorded.
        item_keys: Their keys, one per line.
        ordinals: Their ordinals, as PostgreSQL writes a multirange.
    """

    __slots__ = ("_context", "_item_keys", "_ordinals", "_page", "items")

    def __init__(self, context: Context, page: SharedPage, items: list[Any], item_keys: bytes, ordinals: bytes) -> None:
        self._context = context
        self._page = page
        self._item_keys = item_keys
        self._ordinals = ordinals
        self.items = items

    def __len__(self) -> int:
        """Count the items."""
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items, recording each as the current one."""
        for index, (item, key) in enumerate(zip(self.items, self.keys, strict=True)):
            self._page.begin_item(index)
            self._context.item_key = key
            yield item
        # What the handler does after the loop is about no single item.
        self._page.end_items()
        self._context.item_key = None

    @property
    def keys(self) -> list[str]:
        """The items' keys, in order."""
        return self._item_keys.decode().split("\n")

    @property
    def ordinals(self) -> list[int]:
        """The items' ordinals in the job, in order."""
        return list(Ordinals.parse(self._ordinals.decode()))

    @property
    def job_id(self) -> int:
        """The job."""
        return self._context.job_id

    @property
    def batch_no(self) -> int:
        """The batch in the job."""
        return self._context.batch_no

    @property
    def attempt(self) -> int:
        """How often this batch has been claimed, this time included."""
        return self._context.attempt
