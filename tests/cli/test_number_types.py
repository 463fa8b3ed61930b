"""Numeric options reject invalid numbers by name, before the command does anything."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from evtrack.config import watch_settings_from
from evtrack.domain.errors import BadArgument
from evtrack.interfaces.cli import cli
from evtrack.interfaces.cli.shared.parameter_types import Integer, Number


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a command starts that should have been refused."""
    monkeypatch.setenv("EVTRACK_DSN", "host=/nowhere")


def options(group: click.Group, *before: str) -> Iterator[tuple[tuple[str, ...], click.Option]]:
    """Name each command below a group with each of its options."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from options(command, *before, name)
        yield from (((*before, name), each) for each in command.params if isinstance(each, click.Option))


def taking(*kinds: type) -> list[object]:
    """Find the options that take a number of a kind."""
    return [
        pytest.param(words, option.opts[0], id=" ".join((*words, option.opts[0])))
        for words, option in options(cli)
        if isinstance(option.type, kinds)
    ]


def refused(words: tuple[str, ...], option: str, value: str) -> str:
    """Run a command with wrong usage, and return its error."""
    said = CliRunner().invoke(cli, [*words, option, value], terminal_width=200)
    assert said.exit_code == (64 if words == ("health",) else 2), said.output
    assert f"Invalid value for '{option}'" in said.stderr
    return said.stderr


@pytest.mark.parametrize("value", ["nan", "-NaN", "inf", "-inf", "1e10", "1e400"])
@pytest.mark.parametrize(("words", "option"), taking(Number, click.FloatRange, click.types.FloatParamType))
def test_an_invalid_number_or_impossible_time_is_refused(words: tuple[str, ...], option: str, value: str) -> None:
    assert "is not a number" in refused(words, option, value)


@pytest.mark.parametrize(("words", "option"), taking(Integer, click.IntRange))
def test_a_whole_number_beyond_a_bigint_is_refused(words: tuple[str, ...], option: str) -> None:
    assert "is not an integer from" in refused(words, option, str(2**63))


@pytest.mark.parametrize("words", [("work",), ("submit",), ("run",)])
@pytest.mark.parametrize("value", ["nan", "inf", "1e12", "0"])
def test_an_impossible_memory_size_is_refused(words: tuple[str, ...], value: str) -> None:
    refused(words, "--max-rss", value)


def test_the_options_are_found() -> None:
    assert {"--lease", "--grace", "--poll", "--interval", "--timeout"} <= {
        option.opts[0] for _, option in options(cli) if isinstance(option.type, Number)
    }


@pytest.mark.parametrize("name", ["poll", "never_started", "crash_window", "max_crash_rate"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e10"])
def test_the_environment_of_a_watcher_refuses_invalid_numbers(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"EVTRACK_WATCH_{name.upper()}", value)
    with pytest.raises(BadArgument, match=f"EVTRACK_WATCH_{name.upper()} is '{value}'"):
        watch_settings_from()


def test_the_environment_refuses_a_count_beyond_a_bigint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVTRACK_WATCH_MAX_PENDING", str(2**63))
    with pytest.raises(BadArgument, match="EVTRACK_WATCH_MAX_PENDING is '9223372036854775808'"):
        watch_settings_from()
