"""How commands end: a clear message on stderr and an exit code, even if stdout or stderr is full or closed."""

import json
import subprocess

import pytest

from command_line import environment, evtrack_command

UNBUFFERED = ["", "1"]  # containers often set PYTHONUNBUFFERED: then each write fails by itself


def ended(*args: str, to: str = "", **env: str) -> tuple[int, str]:
    """Run a command with a shell's redirections, and return its exit code and what it said on stderr."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {to}', "sh", *evtrack_command(*args)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", UNBUFFERED)
@pytest.mark.parametrize("command", ["--version", "--help"])
def test_a_full_stdout_is_reported_once(command: str, unbuffered: str) -> None:
    code, said = ended(command, to=">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (74, True) == (code, said.startswith("Error: The output cannot be written to stdout: No space left"))
    assert 2 == said.count("\n")


@pytest.mark.parametrize("unbuffered", UNBUFFERED)
def test_a_full_stderr_does_not_change_the_exit_code(unbuffered: str) -> None:
    assert (2, "") == ended("jobs", "--limit", "x", to="2>/dev/full", PYTHONUNBUFFERED=unbuffered)


def test_closed_standard_streams_are_not_an_error() -> None:
    assert 0 == ended("--version", to="<&- >&- 2>&-")[0]


def test_characters_outside_the_locale_are_escaped() -> None:
    done = subprocess.run(
        evtrack_command("nons\u6f22"),
        check=False,
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0"),
        timeout=60,
    )
    assert (2, True) == (done.returncode, b"nons\\u6f22" in done.stderr)


def test_an_invalid_setting_is_reported_without_a_traceback() -> None:
    code, said = ended("jobs", EVTRACK_LOG_FORMAT="xml")
    assert (1, "Error: EVTRACK_LOG_FORMAT is 'xml': input should be 'auto', 'json' or 'console'\n") == (code, said)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--log-format", "json", "jobs", "--limit", "x"], 2, "--limit"),
        (["jobs", "--log-format", "json", "--limit", "x"], 2, "--limit"),
        (["jobs", "--dsn", "nothing", "--log-format", "json"], 5, "Not a valid connection string"),
        (["--log-format", "json", "nonsense"], 2, "No such command 'nonsense'."),
        (["--log-format", "json", "server"], 2, "Usage: evtrack server"),
        (["jobs", "--nope", "--log-format", "json"], 2, "No such option"),
        (["jobs", "--limit", "x", "--log-format=json"], 2, "--limit"),
        (["--nope", "--log-format", "json", "jobs"], 2, "No such option"),
        (["--log-format", "console", "status", "--log-format", "json", "--nope"], 2, "No such option"),
    ],
)
def test_an_error_is_a_json_line_with_the_json_format(args: list[str], code: int, says: str) -> None:
    done, said = ended(*args)
    (line,) = [json.loads(each) for each in said.splitlines()]
    assert (code, code, "command_failed", "error") == (done, line["exit_code"], line["event"], line["level"])
    assert says in line["message"]


@pytest.mark.parametrize(
    "args",
    [
        ["--log-format", "json", "jobs", "--log-format", "console", "--nope"],
        ["jobs", "--nope", "--", "--log-format", "json"],
        ["jobs", "--nope", "--log-format"],
        ["jobs", "--nope", "--log-format", "xml"],
    ],
)
def test_an_error_is_plain_text_by_default_and_with_the_console_format(args: list[str]) -> None:
    code, said = ended(*args)
    assert (2, True) == (code, said.startswith("Usage: evtrack jobs"))


@pytest.mark.integration
@pytest.mark.parametrize("wrong", ["no\x1b[2Jwhere", "no\x9bwhere\u202e", "n\x07" * 50_000])
def test_a_wrong_value_is_shown_escaped_and_shortened(dsn: str, wrong: str) -> None:
    # Without --dsn it would start the server of whoever runs the tests.
    submit = ["submit", "--dsn", dsn, "--handler", "h", wrong]
    for args in (submit, [wrong], [f"--{wrong}"], ["jobs", "--dsn", wrong]):
        code, said = ended(*args)
        assert code in {1, 2, 5}, (args[0][:20], said[:200])
        assert all(line.isprintable() and len(line) <= 1000 for line in said.splitlines()), ascii(said[:300])
