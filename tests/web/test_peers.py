"""What a proxy says counts only from trusted ones; a host is ours only with our port."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from dashboards import in_loop
from evtrack.domain.errors import BadArgument
from evtrack.interfaces.web.security.mount_point import MountPoint, checked_prefix
from evtrack.interfaces.web.security.peers import IS_TRUSTED, Forwarded, TrustedProxies, allowed_hosts


def seen(headers: dict[str, str], *, peer: str = "10.0.0.1", trusted: tuple[str, ...] = ("10.0.0.0/8", "::1")) -> Scope:
    """Return what an application sees of a request."""
    found: Scope = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        found.update(scope)

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def ignore(message: Message) -> None:
        del message

    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    in_loop(lambda: Forwarded(app, TrustedProxies(trusted))(scope, nothing, ignore))
    return found


TOLD = {"host": "in", "x-forwarded-for": "192.0.2.9", "x-forwarded-proto": "https", "x-forwarded-host": "out"}


def test_a_trusted_proxy_says_for_whom_it_asks() -> None:
    scope = seen(TOLD)
    assert ("192.0.2.9", "https", True) == (scope["client"][0], scope["scheme"], scope[IS_TRUSTED])
    assert [b"out"] == [value for name, value in scope["headers"] if name == b"host"]


def test_nobody_else_does() -> None:
    scope = seen(TOLD, peer="192.0.2.1")
    assert ("192.0.2.1", "http", False) == (scope["client"][0], scope["scheme"], scope[IS_TRUSTED])
    assert [b"in"] == [value for name, value in scope["headers"] if name == b"host"]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("6.6.6.6, 192.0.2.9", "192.0.2.9"),
        ("6.6.6.6, 192.0.2.9, 10.0.0.2", "192.0.2.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.9:1234", "192.0.2.9"),
        ("[2001:db8::7]:1234", "2001:db8::7"),
        ("192.0.2.9, junk", "10.0.0.1"),
        ("192.0.2.9, junk, 10.0.0.2", "10.0.0.2"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_one_that_is_not_a_proxy(chain: str, client: str) -> None:
    assert client == seen({"x-forwarded-for": chain})["client"][0]


def test_of_several_values_the_nearest_proxy_s_counts_and_junk_does_not() -> None:
    assert "https" == seen({"x-forwarded-proto": "http, https"})["scheme"]
    assert "http" == seen({"x-forwarded-proto": "javascript"})["scheme"]


def test_an_ipv4_peer_of_an_ipv6_socket_is_recognized() -> None:
    assert seen(TOLD, peer="::ffff:10.0.0.1")[IS_TRUSTED]


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(BadArgument):
        TrustedProxies(["everybody"])


def test_hosts_are_ours_with_our_port() -> None:
    loopback = {"localhost:8484", "127.0.0.1:8484", "[::1]:8484"}
    assert loopback == allowed_hosts((), port=8484)
    named = allowed_hosts(("Ops.example.org", "other:8443", "[2001:db8::1]"), port=8484)
    assert {"ops.example.org", "ops.example.org:8484", "other:8443", "[2001:db8::1]", "[2001:db8::1]:8484"} == (
        named - loopback
    )
    assert {"localhost", "127.0.0.1", "[::1]"} < allowed_hosts((), port=80)
    for name in ("", "a b", "http://a", "a,b", "*", "ä", "a\x00", 'a"b', "<a>"):
        with pytest.raises(BadArgument):
            allowed_hosts((name,), port=1)


def test_a_prefix_is_a_path() -> None:
    assert ["", "", "/ops", "/a/b-c"] == [checked_prefix(each) for each in ("", "/", "/ops/", "/a/b-c")]
    for prefix in ("ops", "//evil", "/a//b", "/a?b", "/ä", '/"', "/a b"):
        with pytest.raises(BadArgument):
            checked_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "root", "path", "routed"),
    [
        ("", "", "/jobs", "/jobs"),
        ("/ops", "", "/ops/jobs", "/jobs"),
        ("/ops", "", "/jobs", "/jobs"),
        ("/ops", "", "/ops", "/"),
        ("/ops", "", "/opsjobs", "/opsjobs"),
        ("/ops", "/ops", "/ops/jobs", "/jobs"),
        ("/ops", "/ops", "/ops", "/"),
        ("/ops", "/ops", "/jobs", "/jobs"),
        ("/x/ops", "/ops", "/ops/jobs", "/jobs"),
    ],
)
def test_paths_are_routed_wherever_a_proxy_or_a_host_has_put_the_dashboard(
    prefix: str, root: str, path: str, routed: str
) -> None:
    found: Scope = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        found.update(scope)

    in_loop(lambda: MountPoint(app, prefix)({"type": "http", "root_path": root, "path": path}, None, None))  # type: ignore[arg-type]
    assert (prefix, prefix + routed) == (found["root_path"], found["path"])


def test_another_mount_point_than_the_prefix_says_so() -> None:
    with pytest.raises(BadArgument, match="mounted at '/ops'"):
        in_loop(lambda: MountPoint(None, "")({"type": "http", "root_path": "/ops", "path": "/ops/"}, None, None))  # type: ignore[arg-type]
