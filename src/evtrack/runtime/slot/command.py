"""Runs a program over a batch: JSON lines in, JSON lines out."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND, CommandFailed
from evtrack.runtime.slot.lifetime import ending_with_its_group, start_mortal
from evtrack.runtime.slot.results import joined

if TYPE_CHECKING:
    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.handlers import Handler
    from evtrack.runtime.slot.results import Runner
    from evtrack.runtime.slot.shared_page import SharedPage

_PIECE_BYTES: Final = 1 << 16
_STDERR_BYTES: Final = 1 << 16
_OUTPUT_BYTES: Final = 1 << 30
_LINGER_S: Final = 2.0
"""How long the pipes of a program that has ended may be silent: what it started may hold them open for ever."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Args:
        code: Its exit code, or minus the number of the signal that killed it.
        pid: Its process.
        peak_rss_bytes: Most memory that it held.
        cpu_s: CPU time that it used.
    """

    code: int
    pid: int
    peak_rss_bytes: int
    cpu_s: float


class CommandDied(Exception):
    """A command was killed by a signal.

    Args:
        number: The signal's number.
        stderr: The end of what the command wrote there.
        ended: What is known of its process.
    """

    def __init__(self, number: int, stderr: str, ended: Ended) -> None:
        super().__init__(f"signal {number}")
        self.number = number
        self.facts = (stderr, ended.pid, ended.peak_rss_bytes, ended.cpu_s)


def command_runner(handler: Handler, page: SharedPage) -> Runner:
    """Make the function that calls a program with batches.

    Args:
        handler: The command.
        page: Where to say that it is alive.

    Returns:
        The runner.
    """

    def run(row: ClaimedBatch) -> bytes | None:
        payload = row.payload
        if payload is None:
            raise ValueError("the batch's payload has been deleted: submit its items again")
        count = payload.count(b"\n") + 1
        if count == 1:
            page.mark(0)
        environment = dict(
            os.environ,
            EVTRACK_JOB_ID=str(row.job_id),
            EVTRACK_BATCH_NO=str(row.batch_no),
            EVTRACK_ATTEMPT=str(row.attempt),
            EVTRACK_ITEM_KEY=row.item_keys.decode() if count == 1 else "",
        )
        ended, stdout, stderr = _call(handler.argv, payload + b"\n", environment, page)
        tail = storable(stderr.decode("utf-8", "replace").strip(), MESSAGE_BOUND, keep_end=True)
        if ended.code < 0:
            raise CommandDied(-ended.code, tail, ended)
        if ended.code:
            raise CommandFailed(f"exit code {ended.code}: {tail}" if tail else f"exit code {ended.code}")
        return _results(stdout, count)

    return run


def _call(
    argv: tuple[str, ...], text: bytes, environment: dict[str, str], page: SharedPage
) -> tuple[Ended, bytes, bytes]:
    slot_pid = os.getpid()
    with (
        ending_with_its_group(),
        subprocess.Popen(  # noqa: S603  the argument list comes from whoever started the worker
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # A slot has one thread, so code between fork and exec is safe here.
            preexec_fn=lambda: start_mortal(slot_pid),  # noqa: PLW1509
        ) as process,
    ):
        try:
            stdout, stderr = _talk(process, text, page)
        except BaseException:
            process.kill()
            raise
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        ended = Ended(
            process.returncode, process.pid, usage.ru_maxrss * unit, round(usage.ru_utime + usage.ru_stime, 3)
        )
        return ended, stdout, stderr


def _talk(process: subprocess.Popen[bytes], text: bytes, page: SharedPage) -> tuple[bytes, bytes]:
    stdin, stdout, stderr = (cast("BinaryIO", pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    output, errors = bytearray(), bytearray()
    rest = memoryview(text)
    with selectors.DefaultSelector() as selector:
        for pipe, event in (
            (stdin, selectors.EVENT_WRITE),
            (stdout, selectors.EVENT_READ),
            (stderr, selectors.EVENT_READ),
        ):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, event)
        while selector.get_map():
            ready = selector.select(timeout=_LINGER_S)
            if not ready and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            for key, _ in ready:
                page.beat()
                if key.fileobj is stdin:
                    rest = _push(stdin, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                    continue
                piece = os.read(key.fd, _PIECE_BYTES)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.fileobj is stdout:
                    output += piece
                    if len(output) > _OUTPUT_BYTES:
                        raise CommandFailed(f"the command wrote more than {_OUTPUT_BYTES} bytes of results")
                else:
                    sys.stderr.buffer.write(piece)
                    sys.stderr.buffer.flush()
                    errors += piece
                    del errors[:-_STDERR_BYTES]
    return bytes(output), bytes(errors)


def _push(stdin: BinaryIO, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(stdin.fileno(), rest[:_PIECE_BYTES]) :]
    except BrokenPipeError:
        # A program may stop reading once it knows enough; its exit code tells.
        return rest[:0]


def _results(stdout: bytes, count: int) -> bytes | None:
    if not stdout.strip():
        return None
    lines = stdout.removesuffix(b"\n").split(b"\n")
    if len(lines) != count:
        raise CommandFailed(f"the command wrote {len(lines)} lines for {count} items; it must write one each, or none")
    for number, line in enumerate(lines, 1):
        try:
            # Decoded and written again: what is stored is JSON on one line, whatever the program's idea of it.
            value = msgspec.json.decode(line) if line.strip() else None
            lines[number - 1] = b"" if value is None else msgspec.json.encode(value)
        except msgspec.DecodeError as error:
            raise CommandFailed(f"line {number} of the command's output is not JSON: {error}") from None
    return joined(lines)
