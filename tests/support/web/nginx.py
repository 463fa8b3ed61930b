"""A real nginx in front of a dashboard."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from polling import eventually

_SETTINGS = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location {location} {{
            proxy_pass {target};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Remote-User ann;
            {more}
        }}
    }}
}}
"""


def free_port() -> int:
    """Return a port that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


@contextmanager
def proxied(target: str, *, location: str = "/", port: int, more: str = "") -> Iterator[str]:
    """Run an nginx in front of a server.

    Args:
        target: What it passes requests to; with a slash at the end, it takes the location away.
        location: What it passes on.
        port: Where it listens.
        more: Directives for the location.

    Yields:
        The address of the location.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        # CI installs it and sets this variable: there its absence is a failure.
        assert not os.environ.get("EVTRACK_TEST_NGINX"), "nginx is not installed"
        pytest.skip("nginx is not installed")
    folder = Path(tempfile.mkdtemp(prefix="evtrack-test-nginx-"))
    settings = folder / "nginx.conf"
    settings.write_text(_SETTINGS.format(folder=folder, port=port, location=location, target=target, more=more))
    process = subprocess.Popen(
        [program, "-c", str(settings), "-e", str(folder / "log")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _answers(port))
        yield f"http://127.0.0.1:{port}{location}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
