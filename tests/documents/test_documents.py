"""README and docs mention only commands and options that exist, and their links resolve."""

import re
from pathlib import Path

import click
import pytest

from evtrack.interfaces.cli import cli

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(text: str) -> list[str]:
    """Return the code that a text tells users to run, without the section `Planned`."""
    said = text.split("\n## Planned", maxsplit=1)[0].replace("\\\n", " ")
    blocks = re.findall(r"^```.*?^```", said, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`[^`]+`", re.sub(r"^```.*?^```", "", said, flags=re.MULTILINE | re.DOTALL))
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    code = [" ".join(piece.strip("`").split()) for piece in (*lines, *inline)]
    return [piece.split(" #")[0].removeprefix("evtrack ") for piece in code if re.match(r"evtrack [a-z]", piece)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_named_in_a_document_exist(document: Path) -> None:
    assert isinstance(cli, click.Group)
    context = click.Context(cli)
    for line in commands(document.read_text(encoding="utf-8")):
        name, *words = line.split()
        command = cli.get_command(context, name)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(context, words.pop(0).split("|")[0])
        assert command is not None, f"{document.name} says `evtrack {line}`"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = {word.split("=")[0] for word in words if word.startswith("--") and word != "--"} - known
        assert set() == unknown, f"{document.name} says `evtrack {line}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_document_resolve(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        assert "://" in target or (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_commands_of_a_document_are_recognised() -> None:
    found = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"run", "status", "results", "psql", "submit", "work", "migrate"} <= {line.split()[0] for line in found}


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    files = sorted(path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert files == re.findall(r"\]\((\d{4}[^)]*)\)", listed)
