"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout_s: float = 30.0, *, every_s: float = 0.02) -> T:
    """Call a predicate until its answer is true.

    Args:
        predicate: What to ask; an AssertionError counts as a no.
        timeout_s: For how long to ask.
        every_s: The pause between two questions.

    Returns:
        The first true answer.

    Raises:
        AssertionError: If there was none in time; it names the last answer.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        refusal: AssertionError | None = None
        answer: T | None = None
        try:
            answer = predicate()
        except AssertionError as error:
            refusal = error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s} s; the last answer was {answer!r}") from refusal
        time.sleep(every_s)
