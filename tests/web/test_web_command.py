"""`evtrack web` as a process, with real sockets and signals, and what it refuses to start with."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from command_line import environment, evtrack_command
from dashboards import SECURITY_HEADERS
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import connect
from polling import eventually

pytestmark = pytest.mark.integration

STREAMS = 100


@contextmanager
def served(
    dsn: str, *options: str, log: Path | None = None, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `evtrack web` on a free port.

    Yields:
        The process, and the address that it prints.
    """
    command = evtrack_command("web", "--port", "0", "--dsn", dsn, "--log-format", "json", *options)
    with ExitStack() as stack:
        stderr = stack.enter_context(log.open("w")) if log else subprocess.DEVNULL
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment(**variables)
        )
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.communicate()


def got(address: str) -> tuple[int, str]:
    """Ask for a page, and follow its redirects with their cookies."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with opener.open(address, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
        conn.sendall(request)
        return b"".join(iter(lambda: conn.recv(65_536), b""))


def test_the_printed_address_leads_in_and_the_log_has_no_token(dsn: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(dsn, log=log) as (process, address):
        token = address.partition("?token=")[2]
        assert 43 == len(token)
        assert 200 == got(address)[0]
        assert 401 == got(address.partition("?")[0])[0]
        assert 403 == got(f"{address}x")[0]
        port = urlsplit(address).port or 0
        for junk in (b"junk\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70_000 + b"\r\n\r\n"):
            answer = raw(port, junk)
            assert b"HTTP/1.1 4" == answer[:10]
            assert [] == [name for name in SECURITY_HEADERS if name.encode() not in answer]
        assert b" 421 " in raw(port, b"GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)
    text = log.read_text()
    assert token not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"web_server_started", "web_request"} == {line["event"] for line in lines}
    assert {"/"} <= {line.get("path") for line in lines}


def test_the_token_of_a_file_stays_and_is_not_printed(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-the-tests\n")
    with served(dsn, EVTRACK_WEB_TOKEN_FILE=str(file)) as (process, address):
        assert "token" not in address
        assert 200 == got(f"{address}?token=a-token-of-the-tests")[0]
        process.send_signal(signal.SIGINT)
        assert 130 == process.wait(20)


def test_a_prefix_is_part_of_the_address_and_sessions_are_named(dsn: str) -> None:
    with served(dsn, "--prefix", "/ops/", "--auth", "none") as (_, address), connect(dsn, purpose="test") as conn:
        assert address.endswith("/ops/")
        status, page = got(address)
        assert 200 == status
        assert 'href="/ops/jobs"' in page

        def names() -> set[str]:
            rows = conn.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
            ).fetchall()
            return {str(name) for (name,) in rows}

        assert eventually(lambda: "evtrack web" in names())


def test_a_hundred_streams_end_within_three_seconds_of_sigterm(dsn: str) -> None:
    with served(dsn, "--auth", "none") as (process, address), ExitStack() as stack:
        port = urlsplit(address).port or 0
        request = f"GET /live?page=/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
        streams = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(STREAMS)
        ]
        # A user has at most 20 streams: see test_streams.py; here nobody can be told from another.
        for stream in streams:
            stream.sendall(request)
        begun = [stream.recv(12) for stream in streams]
        assert b"HTTP/1.1 200" in begun
        before = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)
        assert time.monotonic() - before < 3
        for stream, start in zip(streams, begun, strict=True):
            if start == b"HTTP/1.1 200":
                assert b"".join(iter(lambda each=stream: each.recv(65_536), b"")).endswith(b"0\r\n\r\n")


def test_without_a_browser_to_open_the_address_is_served_all_the_same(dsn: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    # A browser that is not one.
    with served(dsn, "--auth", "none", "--open", log=log, BROWSER="/nonexistent/%s") as (_, address):
        assert 200 == got(address)[0]
        eventually(lambda: "No browser was found" in log.read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "--allow-host"),  # noqa: S104  that is what is refused
        (["--host", "0.0.0.0", "--allow-host", "a.test", "--auth", "none"], "--yes-anyone"),  # noqa: S104
        (["--auth", "proxy:X-User"], "--trusted-proxy"),
        (["--auth", "basic"], "basic:FILE"),
        (["--auth", "basic:/nonexistent/passwords"], "Cannot read"),
        (["--auth", "nobody"], "Not a way to log in"),
        (["--prefix", "ops"], "Not a prefix"),
        (["--allow-host", "http://a"], "Not a host name"),
        (["--trusted-proxy", "x"], "Not an address"),
        (["--strict-role"], "evtrack_reader"),
        (["--host", "192.0.2.1"], "requested address.\nGive --host an address"),
        (["--act-as", "postgresql://127.0.0.1:1/x"], "Give --act-as"),
    ],
)
def test_what_does_not_fit_together_is_refused(shared_dsn: str, options: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["web", "--port", "0", "--dsn", shared_dsn, *options])
    assert 1 == result.exit_code
    assert message in result.stderr


def test_a_port_in_use_is_refused_with_advice(shared_dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(cli, ["web", "--port", port, "--dsn", shared_dsn])
    assert 1 == result.exit_code
    assert result.stderr.endswith("address already in use.\nChoose another port with --port, or 0 for a free one.\n")


def test_without_a_schema_it_does_not_start(empty_dsn: str) -> None:
    result = CliRunner().invoke(cli, ["web", "--port", "0", "--dsn", empty_dsn])
    assert 4 == result.exit_code


def test_a_run_serves_it_meanwhile(dsn: str, tmp_path: Path) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text('{"id": "1"}\n')
    command = evtrack_command(
        "run", str(source), "--exec", "count=cat", "--handler", "count", "--key", "id", "--web", "--dsn", dsn
    )
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), timeout=60)
    assert "Dashboard: http://127.0.0.1:" in ended.stderr
