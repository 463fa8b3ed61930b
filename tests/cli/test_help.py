"""The `--help` of every command."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from evtrack.interfaces.cli import cli


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """Name all commands below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        words = (*before, name)
        yield words
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *words)


@pytest.mark.parametrize("words", [(), *commands(cli)], ids=" ".join)
def test_help_fits_80_columns_and_shows_no_formatting_marks(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"], terminal_width=80)
    assert 0 == shown.exit_code
    assert [] == [line for line in shown.output.splitlines() if len(line) > 80]
    assert "\\b" not in shown.output
    assert "\b" not in shown.output


def test_examples_keep_their_lines() -> None:
    shown = CliRunner().invoke(cli, ["work", "--help"]).output.splitlines()
    assert "  evtrack work --import examples.disease_stats --slots 4" in shown
    assert "  evtrack work --exec annotate='./annotate --fast' --drain" in shown
