"""The embedded server uses no directory, link or file of another user's, and closes its own to others."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import evtrack
from evtrack.domain.errors import EvtrackError
from evtrack.storage.embedded.data_directory import prepare
from evtrack.storage.embedded.shared_server import EmbeddedServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
_OTHER = 12345


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter."""
    made = Path(tempfile.mkdtemp(prefix="evtrack-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def victim(place: Path) -> Path:
    """A directory of root's that is nobody's business."""
    made = place / "victim"
    made.mkdir(mode=0o755)
    return made


def facts(path: Path) -> tuple[int, int, list[str]]:
    """Return what nobody may change."""
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode), sorted(entry.name for entry in path.iterdir())


def a_link(place: Path, victim: Path) -> Path:
    """The data directory is another user's link."""
    link = place / "link"
    link.symlink_to(victim)
    os.lchown(link, _OTHER, _OTHER)
    return link


def below_a_link(place: Path, victim: Path) -> Path:
    """A directory above the data directory is."""
    (victim / "data").mkdir()
    return a_link(place, victim) / "data"


def through_a_link(place: Path, victim: Path) -> Path:
    """A link of root's leads to it."""
    own = place / "own"
    own.symlink_to(a_link(place, victim))
    return own


def a_directory(place: Path, victim: Path) -> Path:
    """The data directory is another user's, and what is in it, too."""
    made = place / "made"
    made.mkdir()
    (made / "server").symlink_to(victim)
    os.chown(made, _OTHER, _OTHER)
    return made


def a_link_in_it(place: Path, victim: Path) -> Path:
    """The data directory is root's, but every user can write to it."""
    made = place / "made"
    made.mkdir()
    made.chmod(0o777)
    (made / "server").symlink_to(victim)
    os.lchown(made / "server", _OTHER, _OTHER)
    return made


@pytest.mark.parametrize("planted", [a_link, below_a_link, through_a_link, a_directory, a_link_in_it])
def test_what_another_user_has_planted_is_refused(
    place: Path, victim: Path, planted: Callable[[Path, Path], Path]
) -> None:
    base = planted(place, victim)
    before = facts(victim)
    with pytest.raises(EvtrackError, match=rf"of another user \(uid {_OTHER}\)") as refusal:
        prepare(base)
    assert "EVTRACK_DATA_DIR" in refusal.value.hint
    assert before == facts(victim)


def test_a_command_with_another_users_data_directory_says_so_in_one_line(place: Path, victim: Path) -> None:
    base = a_directory(place, victim)
    result = evtrack("server", "start", env={"EVTRACK_DATA_DIR": str(base)})
    assert 1 == result.returncode
    assert "Traceback" not in result.stderr
    assert f"{base} is a directory of another user" in result.stderr


def test_links_in_a_circle_are_refused(place: Path) -> None:
    (place / "one").symlink_to(place / "two")
    (place / "two").symlink_to(place / "one")
    with pytest.raises(EvtrackError, match="lead in a circle"):
        prepare(place / "one")


def test_a_link_of_the_users_own_is_followed(place: Path, victim: Path) -> None:
    (place / "own").symlink_to(victim)
    paths = prepare(place / "own")
    assert victim / "server" == paths.server
    assert 0o700 == stat.S_IMODE(paths.server.stat().st_mode)


def test_no_other_user_can_hold_the_locks(place: Path) -> None:
    locks = [place / "users.lock", place / "start.lock"]
    for lock in locks:
        lock.touch(mode=0o644)
    EmbeddedServer(place).stop()
    assert [0o600, 0o600] == [stat.S_IMODE(lock.stat().st_mode) for lock in locks]
    os.chown(locks[0], _OTHER, _OTHER)
    with pytest.raises(EvtrackError, match="a file of another user"):
        EmbeddedServer(place).stop()
    locks[0].unlink()
    locks[0].symlink_to(place / "elsewhere")
    with pytest.raises(EvtrackError, match=r"users\.lock"):
        EmbeddedServer(place).stop()
    assert not (place / "elsewhere").exists()
