"""The memory behind a shared page: of no file, or a file that outlives the processes that have mapped it."""

import fcntl
import os
import sys
from pathlib import Path


def create_memory(size: int) -> int:
    """Create memory without a file.

    Args:
        size: How many bytes.

    Returns:
        Its descriptor.
    """
    if sys.platform == "linux":
        fd = os.memfd_create("evtrack-slot")
    else:
        import tempfile  # noqa: PLC0415  a tenth of a slot's start, and only here

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def create_file(path: Path, size: int) -> int:
    """Create a locked file whose bytes the file system has set aside.

    Args:
        path: The file, which must not exist.
        size: How many bytes.

    Returns:
        Its descriptor; the lock belongs to it and to its copies in other processes.

    Raises:
        OSError: It cannot be created, locked or filled.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # Held by this open file, which slot and supervisor share, so it is free when both are gone.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Now, not when a slot writes to it: on a full disk the kernel would kill whoever does.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.pwrite(fd, bytes(size), 0)
    except BaseException:
        path.unlink(missing_ok=True)
        os.close(fd)
        raise
    return fd
