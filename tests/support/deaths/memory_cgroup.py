"""A control group for processes that should run out of memory."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from command_line import environment, evtrack_command
from polling import eventually
from workers import HANDLER_DIRECTORY

ROOT = Path("/sys/fs/cgroup")


def parent(proc: Path = Path("/proc/self/cgroup"), root: Path = ROOT) -> Path | str:
    """Find the group in which one that bounds memory can be made.

    Returns:
        The group; or why there is none.
    """
    try:
        lines = [line.split(":", 2) for line in proc.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        return str(error)
    for _, controllers, path in lines:
        inside = path.strip("/")
        own = root / "memory" / inside
        if "memory" in controllers.split(",") and os.access(own, os.W_OK):
            return own
        if not controllers:
            # Of version 2: groups that hold processes cannot bound others, but for the root.
            for group in (root / inside, (root / inside).parent):
                with suppress(OSError):
                    if "memory" in (group / "cgroup.subtree_control").read_text().split() and os.access(group, os.W_OK):
                        return group
    return f"no group that may bound memory is writable: {'; '.join(':'.join(line) for line in lines)}"


@contextmanager
def memory_cgroup(above: Path, most_bytes: int) -> Iterator[Path]:
    """Create a group of processes with a common memory limit and without swap.

    Args:
        above: The group in which to make it.
        most_bytes: How much.

    Yields:
        The file to which its members write themselves.
    """
    group = above / f"evtrack-test-{os.getpid()}"
    group.mkdir()
    try:
        for name in ("memory.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
            if (group / name).exists():
                (group / name).write_text(str(most_bytes))
        for name in ("memory.swap.max", "memory.swappiness"):
            if (group / name).exists():
                (group / name).write_text("0")
        yield group / "cgroup.procs"
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text().split(), 20)
        group.rmdir()


def run_in(members: Path, words: list[str], **variables: str) -> str:
    """Run a command in a control group to its end.

    Args:
        members: The file of the group's members.
        words: What follows `evtrack`.
        **variables: Its environment, on top of a clean one.

    Returns:
        What it wrote to stderr.
    """
    process = subprocess.Popen(
        # A member before it is anything else, so that all it starts is one too.
        ["/bin/sh", "-c", f'echo $$ >"{members}" && exec "$@"', "sh", *evtrack_command(*words)],
        cwd=HANDLER_DIRECTORY,
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert 0 == process.returncode, stderr
    return stderr
