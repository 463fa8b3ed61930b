"""Guard stdout: a write that fails raises OutputLost, wherever it happens."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from evtrack.domain.errors import OutputLost


class _GuardedStream:
    """A stream that raises the same error at each write after the first that failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._guarded():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except OSError as error:
            discard_output(self._stream)
            # A closed pipe is not an error: its reader has read enough.
            lost = OutputLost(error.strerror or str(error))
            self._failure = error if isinstance(error, BrokenPipeError) else lost
            raise self._failure from None


def discard_output(stream: TextIO) -> None:
    """Send a stream to /dev/null, so that what is left in its buffer does not fail when the process exits.

    Args:
        stream: stdout or stderr.
    """
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def guarded_stdout() -> Iterator[None]:
    """Raise OutputLost where stdout cannot be written; a closed pipe still raises BrokenPipeError.

    Yields:
        Nothing; wrap a command with it. At the end, all output is flushed.

    Raises:
        OutputLost: Some output could not be written.
    """
    before, guarded = sys.stdout, _GuardedStream(sys.stdout)
    sys.stdout = cast("TextIO", guarded)
    try:
        yield
        guarded.flush()
    finally:
        sys.stdout = before
