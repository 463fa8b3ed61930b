"""Who owns the files of the embedded server: another user's directories, links and lock files are rejected.

Root could otherwise be led to give away a directory of the system, or to wait for another user's lock.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path
from pwd import struct_passwd

from evtrack.domain.errors import EvtrackError

_MOST_LINKS = 40  # as many as Linux follows


def check_links(path: Path, _depth: int = 0) -> None:
    """Make sure that each link on the path, if there is one, is this user's or root's.

    Args:
        path: An absolute path, which need not exist.

    Raises:
        EvtrackError: A link belongs to another user.
    """
    for step in (*reversed(path.parents), path):
        if step.is_symlink():
            if step.lstat().st_uid not in {0, os.geteuid()}:
                raise _foreign(step, step.lstat().st_uid, "a link")
            if _depth == _MOST_LINKS:
                raise EvtrackError(f"{path} has too many links, or they lead in a circle.", hint=_HINT)
            check_links(step.parent / step.readlink(), _depth + 1)


def check_owner(directory: Path, owners: Collection[int]) -> None:
    """Make sure that a directory belongs to one of these users.

    Raises:
        EvtrackError: It belongs to another user.
    """
    owner = directory.stat().st_uid
    if owner not in owners:
        raise _foreign(directory, owner, "a directory")


def take(directory: Path, owners: Collection[int], user: struct_passwd | None) -> None:
    """Close a directory to other users, and give it to the server's user.

    Args:
        directory: The directory; a link is rejected.
        owners: Who may own it so far.
        user: The server's user, None for the current one.

    Raises:
        EvtrackError: It belongs to another user.
    """
    # By descriptor: what is checked is what is changed, even if somebody renames directories meanwhile.
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        owner = os.fstat(opened).st_uid
        if owner not in owners:
            raise _foreign(directory, owner, "a directory")
        if user:
            os.fchown(opened, user.pw_uid, user.pw_gid)
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)


def open_private(path: str, flags: int) -> int:
    """Open a file that no other user can open; an opener for `open`.

    Args:
        path: The file; a link is rejected.
        flags: What `open` asks for.

    Returns:
        The descriptor.

    Raises:
        EvtrackError: It belongs to another user.
    """
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    facts = os.fstat(opened)
    if facts.st_uid != os.geteuid() or not stat.S_ISREG(facts.st_mode):
        os.close(opened)
        raise _foreign(Path(path), facts.st_uid, "a file")
    os.fchmod(opened, 0o600)  # older versions of evtrack let others open it
    return opened


_HINT = "Name a directory of your own with EVTRACK_DATA_DIR."


def _foreign(path: Path, owner: int, what: str) -> EvtrackError:
    return EvtrackError(
        f"{path} is {what} of another user (uid {owner}), so the embedded server does not use it.", hint=_HINT
    )
