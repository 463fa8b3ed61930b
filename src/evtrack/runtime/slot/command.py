"""Runs a program on a batch: JSON lines in, JSON lines out."""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from evtrack.domain.text import storable
from evtrack.runtime.slot.failures import MESSAGE_BOUND, CommandFailed
from evtrack.runtime.slot.lifetime import command_signals, prepare_command
from evtrack.runtime.slot.output import write_output
from evtrack.runtime.slot.process_tree import SLOT_VARIABLE
from evtrack.runtime.slot.protocol import CommandKilled, join_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.handlers import Handler
    from evtrack.runtime.slot.shared_page import SharedPage

_PIECE_BYTES: Final = 1 << 16
_STDERR_BYTES: Final = 1 << 16
_OUTPUT_BYTES: Final = 1 << 30
_LINGER_S: Final = 2.0
"""How long the pipes of an exited program may be silent: its child processes may hold them open forever."""


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


def _soft_limits() -> dict[int, int]:
    kinds = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {kind: resource.getrlimit(kind)[0] for kind in sorted(kinds)}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@dataclass(frozen=True, slots=True)
class StartState:
    """What a process inherits, as it was when the worker started: handlers in the same slot may change all of it.

    Args:
        directory: The current directory.
        environment: The environment.
        umask: The mask of new files' modes.
        limits: The soft limits of the process.
        cpus: The processors that it may use; None where that is unknown.
    """

    directory: str = field(default_factory=os.getcwd)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    umask: int = field(default_factory=_umask)
    limits: dict[int, int] = field(default_factory=_soft_limits)
    cpus: frozenset[int] | None = field(
        default_factory=lambda: frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    )

    def restore_limits(self) -> None:
        """Set the limits of this process back, as far as the hard limits allow."""
        for kind, soft in self.limits.items():
            now, hard = resource.getrlimit(kind)
            if now != soft:
                is_above = hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard)
                with suppress(OSError, ValueError):
                    resource.setrlimit(kind, (hard if is_above else soft, hard))
        if self.cpus is not None and self.cpus != os.sched_getaffinity(0):
            with suppress(OSError):
                os.sched_setaffinity(0, self.cpus)


_start: StartState | None = None


def record_start() -> None:
    """Record what commands inherit; called in the fork server, where no user code runs."""
    global _start  # noqa: PLW0603  a process starts once
    _start = StartState()


def command_runner(handler: Handler, page: SharedPage) -> Callable[[ClaimedBatch], bytes | None]:
    """Make the function that runs a program on a batch.

    Args:
        handler: The command.
        page: Where its process and its signs of life are recorded.

    Returns:
        The runner.
    """
    start = _start or StartState()
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
            raise CommandFailed(f"{code}: {tail}" if tail else code)
        return _result_lines(stdout, count)

    return run


def _run_program(
    argv: tuple[str, ...], text: bytes, environment: dict[str, str], page: SharedPage, start: StartState
) -> tuple[CommandExit, bytes, bytes]:
    slot_pid = os.getpid()

    def prepare() -> None:
        start.restore_limits()
        prepare_command(slot_pid)

    with (
        command_signals(),
        subprocess.Popen(  # noqa: S603  the argument list comes from whoever started the worker
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=start.directory,
            env=environment,
            umask=start.umask,
            # A slot has one thread, so code between fork and exec is safe here.
            preexec_fn=prepare,  # noqa: PLW1509
        ) as process,
    ):
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
        while selector.get_map():
            ready = selector.select(timeout=_LINGER_S)
            if not ready and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
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
                    output += piece
                    if len(output) > _OUTPUT_BYTES:
                        raise CommandFailed(f"the command wrote more than {_OUTPUT_BYTES} bytes of results")
                else:
                    write_output(piece)
                    errors += piece
                    del errors[:-_STDERR_BYTES]
    return bytes(output), bytes(errors)


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
