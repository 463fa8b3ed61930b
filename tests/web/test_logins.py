"""Four ways to log in, and what none of them lets through."""

import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from dashboards import FORM, HOST, ask, browser, in_loop, site_without_database
from evtrack.domain.errors import BadArgument
from evtrack.interfaces.cli import cli
from evtrack.interfaces.web.app import Door, dashboard
from evtrack.interfaces.web.security.failures import MAX_FAILURES, SPAN_S, FailureLimit
from evtrack.interfaces.web.security.password_file import PasswordHash, password_line, read_passwords
from evtrack.interfaces.web.security.password_login import PasswordLogin
from evtrack.interfaces.web.security.peers import TrustedProxies
from evtrack.interfaces.web.security.proxy_login import ProxyLogin
from evtrack.interfaces.web.security.token_login import LASTS_S, TokenLogin, read_token

TOKEN = "a-token-of-the-tests"
LET_IN = 503
"""Whoever is let in finds that the database is away."""


def with_token(failures: FailureLimit | None = None, prefix: str = "", **door: Any) -> ASGIApp:
    """Return a dashboard that asks for the token."""
    site = site_without_database(prefix=prefix)
    login = TokenLogin(TOKEN, name="8484", renderer=site.renderer, failures=failures or FailureLimit())
    return dashboard(site, Door(login=login, hosts=frozenset([HOST]), **door))


def cookie_of(answer: Any) -> str:
    """Return the cookie that an answer sets, as a request sends it."""
    return str(answer.headers["set-cookie"]).split(";")[0]


def test_the_token_of_an_address_becomes_a_cookie_and_leaves_it() -> None:
    app = with_token()
    bare, wrong, first, asked = ask(
        app,
        ("GET", "/jobs"),
        ("GET", "/?token=x"),
        ("GET", f"/jobs?a=b&token={TOKEN}&c=%2F"),
        ("GET", f"/login?token={TOKEN}&next=/jobs"),
    )
    assert (303, "/jobs") == (asked.status_code, asked.headers["location"])
    assert (303, "/jobs?a=b&c=%2F") == (first.status_code, first.headers["location"])
    attributes = first.headers["set-cookie"].split("; ")[1:]
    assert {"HttpOnly", f"Max-Age={LASTS_S}", "Path=/", "SameSite=lax"} == set(attributes)
    assert TOKEN not in first.headers["set-cookie"] + first.text
    assert (403, 401) == (wrong.status_code, bare.status_code)
    assert "set-cookie" not in wrong.headers
    (inside,) = ask(app, ("GET", "/", {"headers": {"cookie": cookie_of(first)}}))
    assert LET_IN == inside.status_code


def test_a_cookie_of_another_process_or_another_time_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app, other = with_token(), with_token()
    (given,) = ask(app, ("GET", f"/?token={TOKEN}"))
    cookie = cookie_of(given)
    name, _, value = cookie.partition("=")
    until, _, signature = value.partition(".")
    later = f"{name}={int(until) + 1}.{signature}"
    for tried in (later, f"{name}=", f"{name}=.", f"{name}={until}.", f"{name}=x.{signature}", "evtrack_8485=1.2"):
        (answer,) = ask(app, ("GET", "/", {"headers": {"cookie": tried}}))
        assert 401 == answer.status_code, tried
    (elsewhere,) = ask(other, ("GET", "/", {"headers": {"cookie": cookie}}))
    assert 401 == elsewhere.status_code
    monkeypatch.setattr(time, "time", lambda: float(until) + 1)
    (late,) = ask(app, ("GET", "/", {"headers": {"cookie": cookie}}))
    assert 401 == late.status_code


def test_the_token_can_be_typed_in_and_leads_back_to_the_page() -> None:
    app = with_token(prefix="/ops")
    asked, done = ask(
        app,
        ("GET", "/ops/items?key=a%26b"),
        ("POST", "/ops/login", {"headers": FORM, "data": {"token": f" {TOKEN} ", "next": "/items?key=a%26b"}}),
    )
    assert 401 == asked.status_code
    assert 'value="/items?key=a%26b"' in asked.text
    assert (303, "/ops/items?key=a%26b") == (done.status_code, done.headers["location"])
    assert "Path=/ops;" in done.headers["set-cookie"]


@pytest.mark.parametrize(
    "then",
    ["//evil.test", "https://evil.test/", "/\\evil.test", "\\\\evil.test", "", "evil", "/\r\nSet-Cookie: a=b", "/ä"],
)
def test_nobody_is_led_elsewhere(then: str) -> None:
    (done,) = ask(with_token(), ("POST", "/login", {"headers": FORM, "data": {"token": TOKEN, "next": then}}))
    assert (303, "/") == (done.status_code, done.headers["location"])


def test_the_cookie_is_for_https_where_the_page_is() -> None:
    app = with_token(trusted=TrustedProxies(["127.0.0.1"]))
    (done,) = ask(app, ("GET", f"/?token={TOKEN}", {"headers": {"x-forwarded-proto": "https"}}))
    assert "Secure" in done.headers["set-cookie"].split("; ")


def test_a_program_sends_the_token_itself() -> None:
    wrong, right = ask(
        with_token(),
        ("GET", "/now.json", {"headers": {"authorization": "Bearer wrong"}}),
        ("GET", "/now.json", {"headers": {"authorization": f"Bearer {TOKEN}"}}),
    )
    assert (403, LET_IN) == (wrong.status_code, right.status_code)
    assert "set-cookie" not in right.headers


def test_programs_are_asked_in_json() -> None:
    (answer,) = ask(with_token(), ("GET", "/now.json"))
    assert {"status": 401, "error": "Log in first."} == answer.json()


def test_ten_failures_a_minute_are_the_most() -> None:
    now = 0.0
    app = with_token(FailureLimit(lambda: now))
    tries = [("GET", "/?token=wrong")] * (MAX_FAILURES + 1) + [("GET", f"/?token={TOKEN}")]
    codes = [each.status_code for each in ask(app, *tries)]
    assert [403] * MAX_FAILURES + [429, 429] == codes
    (elsewhere,) = ask(app, ("GET", f"/?token={TOKEN}"), client="192.0.2.7")
    assert 303 == elsewhere.status_code
    now = SPAN_S + 1
    (later,) = ask(app, ("GET", f"/?token={TOKEN}"))
    assert 303 == later.status_code


def test_a_network_of_ipv6_counts_as_one_address_and_success_is_free() -> None:
    app = with_token()
    assert {303} == {each.status_code for each in ask(app, *[("GET", f"/?token={TOKEN}")] * 30)}
    for number in range(MAX_FAILURES):
        ask(app, ("GET", "/?token=wrong"), client=f"2001:db8::{number + 1}")
    (same,) = ask(app, ("GET", "/?token=wrong"), client="2001:db8::ffff:1")
    (other,) = ask(app, ("GET", "/?token=wrong"), client="2001:db8:0:1::1")
    assert (429, 403) == (same.status_code, other.status_code)


def test_a_token_of_a_file_must_be_hard_to_guess(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert TOKEN == read_token(file)
    for text in ("short\n", "two words that are long", "ä" * 20):
        file.write_text(text)
        with pytest.raises(BadArgument):
            read_token(file)
    with pytest.raises(BadArgument, match="Cannot read"):
        read_token(tmp_path / "missing")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that take no time."""
    monkeypatch.setattr("evtrack.interfaces.web.security.password_file._COST", (2, 8, 1))


def with_passwords(tmp_path: Path, *lines: str) -> ASGIApp:
    """Return a dashboard that asks for a password."""
    file = tmp_path / "passwords"
    file.write_text("\n".join(lines))
    login = PasswordLogin(read_passwords(file), FailureLimit())
    return dashboard(site_without_database(), Door(login=login, hosts=frozenset([HOST])))


def basic(text: str) -> dict[str, Any]:
    """Return the arguments of a request with a name and a password."""
    return {"headers": {"authorization": f"Basic {b64encode(text.encode()).decode()}"}}


@pytest.mark.usefixtures("cheap")
def test_a_password_lets_its_user_in(tmp_path: Path) -> None:
    app = with_passwords(tmp_path, "# who may look", "", password_line("ann", "päss:word"), password_line("bob", "x"))
    none, right, again, wrong, other, unknown, junk = ask(
        app,
        ("GET", "/"),
        ("GET", "/", basic("ann:päss:word")),
        ("GET", "/", basic("ann:päss:word")),
        ("GET", "/", basic("ann:x")),
        ("GET", "/", basic("bob:x")),
        ("GET", "/", basic("eve:x")),
        ("GET", "/", {"headers": {"authorization": "Basic ???"}}),
    )
    assert 401 == none.status_code
    assert 'Basic realm="evtrack", charset="UTF-8"' == none.headers["www-authenticate"]
    assert [LET_IN, LET_IN, 401, LET_IN, 401, 401] == [
        each.status_code for each in (right, again, wrong, other, unknown, junk)
    ]


@pytest.mark.usefixtures("cheap")
def test_guesses_of_passwords_are_limited_even_many_at_a_time(tmp_path: Path) -> None:
    app = with_passwords(tmp_path, password_line("ann", "right"))

    async def codes() -> list[int]:
        found: list[int] = []
        async with browser(app) as asking:
            import anyio  # noqa: PLC0415

            async def guess(number: int) -> None:
                found.append((await asking.get("/", **basic(f"ann:{number}"))).status_code)

            async with anyio.create_task_group() as tasks:
                for number in range(30):
                    tasks.start_soon(guess, number)
        return found

    found = in_loop(codes)
    assert (MAX_FAILURES, 30 - MAX_FAILURES) == (found.count(401), found.count(429))
    (limited,) = ask(app, ("GET", "/", basic("ann:right")))
    assert 429 == limited.status_code


@pytest.mark.usefixtures("cheap")
def test_a_line_of_a_password_file_is_checked(tmp_path: Path) -> None:
    good = PasswordHash.of("x").text()
    for line in (
        f":{good}",
        "ann",
        "ann:x",
        f"ann:{good}:x",
        good.replace(":2:", ":3:", 1),
        "ann:scrypt:1073741824:8:1:AA==:AA==",
    ):
        with pytest.raises(BadArgument, match="Line 1"):
            with_passwords(tmp_path, line)
    with pytest.raises(BadArgument, match="no user"):
        with_passwords(tmp_path, "# nobody")
    for user in ("", "a:b", "#a", " a", "a\n"):
        with pytest.raises(BadArgument):
            password_line(user, "x")


@pytest.mark.usefixtures("cheap")
def test_a_password_line_is_made_by_the_command(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["web", "--password-line", "ann"], input="secret\nsecret\n")
    assert 0 == made.exit_code, made.output
    assert "secret" not in made.stdout
    file = tmp_path / "passwords"
    file.write_text(made.stdout)
    known = read_passwords(file)["ann"]
    assert known.fits("secret")
    assert not known.fits("Secret")


def test_a_proxy_names_the_user_and_nobody_else_does() -> None:
    app = dashboard(
        site_without_database(),
        Door(login=ProxyLogin("X-Remote-User"), hosts=frozenset([HOST]), trusted=TrustedProxies(["10.0.0.0/8"])),
    )
    named = ("GET", "/", {"headers": {"x-remote-user": "ann"}})
    with capture_logs() as lines:
        (through,) = ask(app, named, client="10.1.2.3")
    assert [("ann", "10.1.2.3", "/")] == [(line["user"], line["peer"], line["path"]) for line in lines]
    (direct,) = ask(app, named, client="192.0.2.1")
    twice = ("GET", "/", {"headers": [("x-remote-user", "ann"), ("x-remote-user", "bob")]})
    others = ask(app, ("GET", "/"), twice, ("GET", "/", {"headers": {"x-remote-user": "x" * 300}}), client="10.1.2.3")
    assert (LET_IN, 403) == (through.status_code, direct.status_code)
    assert [403, 403, 403] == [each.status_code for each in others]


def test_what_is_no_header_is_refused() -> None:
    for name in ("", "X Remote", "X-Ü"):
        with pytest.raises(BadArgument):
            ProxyLogin(name)
