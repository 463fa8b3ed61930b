"""stdout and stderr that take no more: of stdout it is one of evtrack's errors, from wherever it was written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from evtrack.domain.errors import OutputLost


class _Guarded:
    """A stream that says why it takes no more, each time that it is asked to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._refusal: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._told():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        if self._refusal is not None:
            raise self._refusal
        try:
            yield
        except OSError as error:
            to_nowhere(self._stream)
            # Of a closed pipe nothing is said: who reads has read enough.
            lost = OutputLost(error.strerror or str(error))
            self._refusal = error if isinstance(error, BrokenPipeError) else lost
            raise self._refusal from None


def to_nowhere(stream: TextIO) -> None:
    """Let a stream take everything again, so that what is in its buffer does not fail at the end of the process.

    Args:
        stream: stdout or stderr.
    """
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let stdout raise OutputLost where it takes no more; a closed pipe stays what it is.

    Yields:
        Nothing; wrap a command with it. At the end all is written.

    Raises:
        OutputLost: Not all could be written.
    """
    before, guarded = sys.stdout, _Guarded(sys.stdout)
    sys.stdout = cast("TextIO", guarded)
    try:
        yield
        guarded.flush()
    finally:
        sys.stdout = before
