"""Handlers that do what their item says: return, raise, sleep, or kill their process."""

import ctypes
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import evtrack
from output_actions import OUTPUTS, print_text


@evtrack.handler("scripted")
def scripted(item: dict[str, Any], ctx: Any) -> Any:  # noqa: C901  one branch per action
    """Do what the item says, and return the value it asks for."""
    do = item.get("do", "")
    if trace := item.get("trace"):
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(f"{ctx.item_key} {ctx.job_id} {ctx.batch_no} {ctx.attempt} {os.getpid()}\n")
    if do == "raise":
        raise ValueError(f"no \0 to {ctx.item_key}")
    if do == "raise once" and ctx.attempt == 1:
        raise ValueError("not yet")
    if do in OUTPUTS:
        OUTPUTS[do](ctx)
    if do == "sleep" or (do == "sleep once" and ctx.attempt == 1):
        time.sleep(item["s"])
    if do == "wait for":
        while not Path(item["path"]).exists():
            time.sleep(0.02)
    if do == "beat":
        for _ in range(int(item["s"] / 0.05)):
            time.sleep(0.05)
            ctx.heartbeat()
    if do == "odd":
        return object()
    if do == "crash once" and ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if do:
        _end(do)
    return item.get("return")


def _end(do: str) -> None:
    if do == "segv":
        ctypes.string_at(0)
    elif do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "_exit":
        os._exit(7)
    elif do == "exit":
        sys.exit(3)
    elif do == "close":
        _close_channel()
        time.sleep(60)
    elif do == "child":
        # A child that holds all pipes open and outlives its parent unless it is killed.
        if os.fork() == 0:
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "babble":
        _channel().sendall(b"\xff" * 100)
        time.sleep(60)
    else:
        ACTIONS.get(do, lambda: None)()


@evtrack.handler("printer")
def printer(item: dict[str, Any]) -> None:
    """Print a text, in one of several ways."""
    print_text(item["how"], item["text"])


def _overflow() -> None:
    # Through native code and back at each step, so that the process's own stack grows.
    sys.setrecursionlimit(10**9)
    kind = ctypes.CFUNCTYPE(None)
    deeper: Any = kind(lambda: deeper())  # noqa: PLW0108  it is not bound before
    deeper()


def _leak() -> None:
    held = []
    while True:
        held.append(b"x" * (4 << 20))
        time.sleep(0.001)


def _hoard() -> None:
    # A file in memory, which counts for the control group, but not as memory of the process.
    file = os.memfd_create("hoard")
    while True:
        os.write(file, b"x" * (1 << 20))


_kept: list[bytes] = []


def _keep() -> None:
    _kept.append(b"x" * (20 << 20))


def _use(for_s: float = 0.03) -> None:
    held = b"x" * (100 << 20)
    time.sleep(for_s)
    del held


def _start_hog() -> None:
    hog = "x = b'x' * (400 << 20); print(len(x), flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", hog], stdout=subprocess.PIPE) as process:
        process.wait()


def _share_with_children() -> None:
    # They share what their parent holds.
    held = b"x" * (40 << 20)
    for _ in range(4):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(len(held) and 0)
    for _ in range(4):
        os.wait()


def _loop() -> None:
    while True:
        pass


def _flood() -> None:
    line = b"e" * 99 + b"\n"
    for _ in range(1000):
        sys.stderr.buffer.write(line * 1000)
    sys.stderr.buffer.flush()


def _flood_and_die() -> None:
    _flood()
    ctypes.string_at(0)


def _close_and_go_on() -> None:
    _close_channel()


def _fork(leave: Callable[[], Any]) -> None:
    pid = os.fork()
    if pid == 0:
        leave()
    else:
        os.waitpid(pid, 0)


def _kill_fork_server() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _kill_worker() -> None:
    """Kill the whole worker as the kernel or a power cut does: supervisor, fork server and all slots, at once."""
    fork_server = os.getppid()
    supervisor = int(Path(f"/proc/{fork_server}/stat").read_text().rsplit(") ")[1].split()[1])
    slots = Path(f"/proc/{fork_server}/task/{fork_server}/children").read_text().split()
    for pid in [supervisor, fork_server, *map(int, slots)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(60)


def _fork_and_raise() -> None:
    raise ValueError("in the copy")


ACTIONS: dict[str, Callable[[], None]] = {
    "abort": os.abort,
    "kill worker": _kill_worker,
    "kill fork server": _kill_fork_server,
    "overflow": _overflow,
    "leak": _leak,
    "hoard": _hoard,
    "keep": _keep,
    "use": _use,
    "use for long": lambda: _use(0.6),
    "start hog": _start_hog,
    "share with children": _share_with_children,
    "loop": _loop,
    "hang": lambda: time.sleep(60),
    "flood": _flood,
    "flood and die": _flood_and_die,
    "close and go on": _close_and_go_on,
    "fork and return": lambda: _fork(lambda: None),
    "fork and raise": lambda: _fork(_fork_and_raise),
    "fork and exit": lambda: _fork(sys.exit),
}


@evtrack.handler("timed")
def timed(item: dict[str, Any], ctx: Any) -> None:
    """Sleep, and write down from when until when."""
    begun = time.monotonic()
    time.sleep(item["s"])
    with Path(item["trace"]).open("a", encoding="utf-8") as file:
        file.write(f"{ctx.item_key} {begun} {time.monotonic()}\n")


@evtrack.batch_handler("scripted batch")
def scripted_batch(batch: Any, ctx: Any) -> list[Any]:
    """Do what each item of a batch says."""
    keys = batch.keys
    return [_scripted_as(key, item, ctx) for key, item in zip(keys, batch.items, strict=True)]


def _scripted_as(key: str, item: dict[str, Any], ctx: Any) -> Any:
    ctx.item_key = key
    return scripted(item, ctx)


@evtrack.batch_handler("echo")
def echo(batch: Any) -> list[Any]:
    """Return each item with its key and ordinal."""
    return [[key, ordinal, item] for key, ordinal, item in zip(batch.keys, batch.ordinals, batch.items, strict=True)]


@evtrack.batch_handler("iterate")
def iterate(batch: Any) -> None:
    """Iterate over the items, and die at the one that says so."""
    for item in batch:
        if item.get("do") == "kill":
            os.kill(os.getpid(), signal.SIGKILL)


@evtrack.batch_handler("too few")
def too_few(batch: Any) -> list[Any]:
    """Return one result too few."""
    return list(batch.items[1:])


@evtrack.batch_handler("nothing")
def nothing(_: Any) -> None:
    """Do nothing."""


def _channel_fd() -> int:
    """Find the channel to the supervisor: the only socket that a slot has."""
    for fd in range(3, 256):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
    raise LookupError("no socket")


def _channel() -> socket.socket:
    return socket.socket(fileno=os.dup(_channel_fd()))


def _close_channel() -> None:
    os.close(_channel_fd())
