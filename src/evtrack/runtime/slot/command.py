"""Runs a program on a batch: JSON lines in, JSON lines out."""

from __future__ import annotations

import math
import os
import selectors
import sys
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND, CommandFailed
from evtrack.runtime.slot.lifetime import command_signals
from evtrack.runtime.slot.output import write_output
from evtrack.runtime.slot.process_tree import SLOT_VARIABLE
from evtrack.runtime.slot.program_start import recorded_start, start_program
from evtrack.runtime.slot.protocol import CommandKilled, join_results

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.handlers import Handler
    from evtrack.runtime.slot.program_start import StartState
    from evtrack.runtime.slot.shared_page import SharedPage

_PIECE_BYTES: Final = 1 << 16
_STDERR_BYTES: Final = 1 << 16
_OUTPUT_BYTES: Final = 1 << 30
_LINGER_S: Final = 2.0
"""How long stdout of an exited program may be silent: its child processes may hold it open forever."""
_LINGER_MAX_S: Final = 5.0
"""How long they may go on writing to it in total."""
_EXIT_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class CommandExit:
    """How a command ended.

    Args:
        returncode: Its exit code, or minus the number of the signal that killed it.
        pid: Its process.
        peak_rss_bytes: Peak memory of the process.
        cpu_s: CPU time that it used.
    """

    returncode: int
    pid: int
    peak_rss_bytes: int
    cpu_s: float


class CommandDied(Exception):
    """A signal killed a command.

    Args:
        stderr: The end of what the command wrote to stderr.
        ended: How its process ended.
    """

    def __init__(self, stderr: str, ended: CommandExit) -> None:
        super().__init__(f"signal {-ended.returncode}")
        self.stderr = stderr
        self.ended = ended

    def frame(self, seq: int, run_s: float, *, interrupted: bool) -> CommandKilled:
        """Build the report for the supervisor.

        Args:
            seq: The batch's sequence number in the slot's life.
            run_s: Its run time.
            interrupted: Whether a signal that asks a whole service to stop was the reason.

        Returns:
            The frame to send.
        """
        ended = self.ended
        number = -ended.returncode
        return CommandKilled(seq, run_s, number, self.stderr, ended.pid, ended.peak_rss_bytes, ended.cpu_s, interrupted)


def command_runner(handler: Handler, page: SharedPage) -> Callable[[ClaimedBatch], bytes | None]:
    """Make the function that runs a program on a batch.

    Args:
        handler: The command.
        page: Where its process and its signs of life are recorded.

    Returns:
        The runner.
    """
    start = recorded_start()
    mark = os.environ.get(SLOT_VARIABLE, "")

    def run(batch: ClaimedBatch) -> bytes | None:
        if batch.payload is None:
            raise ValueError("the batch's payload has been deleted: submit its items again")
        count = batch.payload.count(b"\n") + 1
        page.begin_whole()
        if count == 1:
            page.begin_item(0)
        environment = dict(
            start.environment,
            EVTRACK_JOB_ID=str(batch.job_id),
            EVTRACK_BATCH_NO=str(batch.batch_no),
            EVTRACK_ATTEMPT=str(batch.attempt),
            EVTRACK_SLOT=mark,
            EVTRACK_ITEM_KEY=batch.item_keys.decode() if count == 1 else "",
        )
        ended, stdout, stderr = _run_program(handler.argv, batch.payload + b"\n", environment, page, start)
        page.command_usage = (page.seq, ended.peak_rss_bytes, ended.cpu_s)
        tail = storable(stderr.decode("utf-8", "replace").strip(), MESSAGE_BOUND, keep_end=True)
        if ended.returncode < 0:
            raise CommandDied(tail, ended)
        if ended.returncode:
            code = f"exit code {ended.returncode}"
            raise CommandFailed(f"{code}: {tail}" if tail else code, exit_code=ended.returncode)
        return _result_lines(stdout, count)

    return run


def _run_program(
    argv: tuple[str, ...], text: bytes, environment: dict[str, str], page: SharedPage, start: StartState
) -> tuple[CommandExit, bytes, bytes]:
    with command_signals(), start_program(argv, environment, start) as process:
        page.command_pid = process.pid
        try:
            stdout, stderr = _communicate(process, text, page)
        except BaseException:
            process.kill()
            raise
        finally:
            page.command_pid = 0
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except ChildProcessError:
            raise CommandFailed("the command's exit status is unknown: a handler in this slot has taken it") from None
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        cpu_s = round(usage.ru_utime + usage.ru_stime, 3)
        return CommandExit(process.returncode, process.pid, usage.ru_maxrss * unit, cpu_s), stdout, stderr


def _communicate(process: subprocess.Popen[bytes], text: bytes, page: SharedPage) -> tuple[bytes, bytes]:
    """Write the program's input while reading its output, and return stdout and stderr."""
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
        heard_at, give_up_at = monotonic(), math.inf
        while selector.get_map() and monotonic() < min(heard_at + _LINGER_S, give_up_at):
            ready = selector.select(timeout=_EXIT_POLL_S)
            if give_up_at == math.inf:
                heard_at = monotonic()
                if _has_exited(process.pid):
                    give_up_at = heard_at + _LINGER_MAX_S
            for key, _ in ready:
                page.beat()
                if key.fileobj is stdin:
                    rest = _write_some(stdin, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                    continue
                piece = os.read(key.fd, _PIECE_BYTES)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.fileobj is stdout:
                    heard_at = monotonic()
                    _keep_output(output, piece)
                else:
                    write_output(piece)
                    errors += piece
                    del errors[:-_STDERR_BYTES]
    return bytes(output), bytes(errors)


def _keep_output(output: bytearray, piece: bytes) -> None:
    output += piece
    if len(output) > _OUTPUT_BYTES:
        raise CommandFailed(f"the command wrote more than {_OUTPUT_BYTES} bytes of results")


def _has_exited(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # a handler in this slot has taken its exit status


def _write_some(stdin: BinaryIO, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(stdin.fileno(), rest[:_PIECE_BYTES]) :]
    except BrokenPipeError:
        # A program may stop reading early; its exit code shows whether that is an error.
        return rest[:0]


def _result_lines(stdout: bytes, count: int) -> bytes | None:
    if not stdout.strip():
        return None
    lines = stdout.removesuffix(b"\n").split(b"\n")
    if len(lines) != count:
        raise CommandFailed(
            f"the command wrote {len(lines)} lines for {count} items; it must write one line for each item, or none"
        )
    for number, line in enumerate(lines, 1):
        try:
            # Decoded and encoded again, so that the stored result is valid JSON on one line.
            value = msgspec.json.decode(line) if line.strip() else None
            lines[number - 1] = b"" if value is None else msgspec.json.encode(value)
        except msgspec.DecodeError as error:
            raise CommandFailed(f"line {number} of the command's output is not JSON: {error}") from None
    return join_results(lines)
