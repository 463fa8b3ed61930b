"""Describes a worker process in its state directory: who it was, where it ran, and what it has to be compared with."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Final

import msgspec

from evtrack.runtime.worker.slots.oom_kills import kill_counters

WORKER_FILE: Final = "worker.json"
LOCK_FILE: Final = "lock"
PREFIX: Final = "worker-"
"""Begins the name of each worker's directory."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MOST_BYTES: Final = 1 << 16


class WorkerDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process, as it describes itself.

    Args:
        worker_id: Its id in the database; 0 before it is registered, when it holds nothing.
        database: Which database that is.
        pid: Its process.
        host: The name of its host.
        boot_id: Identifies the kernel's run; empty where that is unknown.
        started_at: Unix time at which it started.
        started_clock: The monotonic clock then.
        oom_kills: The control groups' counters of out-of-memory kills then, by file.
        invocation_id: What systemd calls this run of its unit; empty without systemd.
    """

    worker_id: int = 0
    database: str = ""
    pid: int
    host: str
    boot_id: str
    started_at: float
    started_clock: float
    oom_kills: dict[str, int]
    invocation_id: str = ""

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the kernel that ran it still runs."""
        return self.boot_id == read_boot_id() and (bool(self.boot_id) or self.host == socket.gethostname())

    @property
    def is_of_this_host(self) -> bool:
        """Whether it ran here: a state directory may be shared by hosts."""
        return self.is_of_this_boot or self.host == socket.gethostname()


def describe_this_process() -> WorkerDescription:
    """Describe the worker of this process, which is not registered yet."""
    return WorkerDescription(
        pid=os.getpid(),
        host=socket.gethostname(),
        boot_id=read_boot_id(),
        started_at=time.time(),
        started_clock=time.monotonic(),
        oom_kills=kill_counters(),
        invocation_id=os.environ.get("INVOCATION_ID", ""),
    )


def read_boot_id() -> str:
    """Return what identifies this run of the kernel; empty where that is unknown."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def write_description(directory: int, description: WorkerDescription) -> None:
    """Write the description into a worker's directory, as a whole or not at all.

    Args:
        directory: The open directory.

    Raises:
        OSError: It cannot be written.
    """
    partly = f"{WORKER_FILE}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(partly, flags, 0o600, dir_fd=directory), "wb") as file:
        file.write(msgspec.json.encode(description))
    os.replace(partly, WORKER_FILE, src_dir_fd=directory, dst_dir_fd=directory)


def read_description(directory: int) -> WorkerDescription:
    """Read the description in a worker's directory.

    Args:
        directory: The open directory.

    Returns:
        The description.

    Raises:
        ValueError: It is not a description.
        OSError: It cannot be read.
    """
    # A pipe in its place must not make the reader wait.
    fd = os.open(WORKER_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(fd, "rb") as file:
        return msgspec.json.decode(file.read(_MOST_BYTES), type=WorkerDescription)
