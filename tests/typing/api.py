"""The public API as user code calls it: never run, only checked by mypy and pyright (bin/lint types).

A line that must not type-check ends in an ignore; both checkers report an ignore that nothing needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_type

import psycopg

import evtrack
import evtrack.web


@dataclass
class Document:
    """An item of a user's own type."""

    id: str
    text: str


@evtrack.handler("count-words")
def count_words(item: dict[str, str]) -> int:
    return len(item["text"].split())


@evtrack.handler("with-context")
def with_context(item: dict[str, str], ctx: evtrack.Context) -> None:
    ctx.heartbeat()
    ctx.log.info("parsed", characters=len(item["text"]))
    assert_type(ctx.item_key, str | None)
    assert_type(ctx.attempt, int)


@evtrack.batch_handler("whole-batch")
def whole_batch(batch: evtrack.Batch) -> list[int]:
    assert_type(batch.keys, list[str])
    assert_type(batch.ordinals, list[int])
    return [len(item) for item in batch]


# A decorator leaves the function as it is.
assert_type(count_words({"text": "two words"}), int)


def submits(conn: psycopg.Connection[Any], documents: Iterator[Document]) -> None:
    submission = evtrack.submit(documents, handler="count-words", key="id", connection=conn, batch_size=100)
    assert_type(submission.job_id, int)
    assert_type(submission.sealed, bool)
    evtrack.submit([{"id": 1}], handler="count-words", key=lambda item: item["id"], mode="replace")
    evtrack.submit(documents, resume=submission.job_id, on_progress=lambda progress: print(progress.items))  # noqa: T201
    assert_type(evtrack.enqueue([{"id": 1}], handler="count-words"), int)


def follows() -> None:
    for position, event in evtrack.tail("dbname=x", follow=True):
        assert_type(position, str)
        assert_type(event.batch_no, int)
        assert_type(event.data, dict[str, Any])


def refused() -> None:
    evtrack.submit([1], handler="count-words", mode="merge")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    evtrack.enqueue([1])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    evtrack.handler(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def mounts() -> None:
    assert_type(evtrack.web.app("dbname=x", user=lambda request: request.headers.get("x-user")), evtrack.web.Dashboard)
    evtrack.web.app("dbname=x", user=lambda _: "ann", may_act=lambda user: user == "ann", act_as="dbname=x")
    evtrack.web.app("dbname=x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
