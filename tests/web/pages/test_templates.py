"""What holds for every template: nothing inline, nothing unescaped, and the classes of one style sheet."""

import gzip
import re
from pathlib import Path

import pytest

import evtrack.interfaces.web

ROOM = Path(evtrack.interfaces.web.__file__).parent
TEMPLATES = sorted((ROOM / "templates").rglob("*.html"))
STATIC = ROOM / "static"
MAKES_MARKUP = {"charts", "rendering.py", "job_drawing.py"}
"""Who may write HTML in Python."""

INLINE = re.compile(r"""<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|javascript:|\|\s*safe\b|autoescape|https?://""")
CLASS = re.compile(r'class="([^"]*)"')
EXPRESSION = re.compile(r"{{.*?}}|{%.*?%}")
WORDS = re.compile(r"[a-z][a-z-]*")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_inline_and_escapes_everything(template: Path) -> None:
    assert INLINE.findall(template.read_text()) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_table_scrolls_in_a_region_that_has_a_name(template: Path) -> None:
    text = template.read_text()
    regions = re.findall(r'<div class="table[^"]*" role="region" aria-label(?:ledby)?="[^"]+" tabindex="0">', text)
    assert len(regions) == text.count("<table")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_the_style_sheet_knows_every_class(template: Path) -> None:
    styles = set(re.findall(r"\.([a-z][a-z0-9-]*)", (STATIC / "evtrack.css").read_text()))
    # What a template computes is a status, or stands in quotes.
    used = {word for text in CLASS.findall(template.read_text()) for word in EXPRESSION.sub(" ", text).split()}
    assert {word for word in used if WORDS.fullmatch(word) and not word.endswith("-")} <= styles


def test_only_charts_and_the_renderer_write_html() -> None:
    written = {
        path.relative_to(ROOM).parts[0] for path in ROOM.rglob("*.py") if re.search(r"\bMarkup\(", path.read_text())
    }
    assert written <= MAKES_MARKUP


def test_scripts_and_styles_are_small() -> None:
    files = [path for path in STATIC.rglob("*") if path.suffix in {".css", ".js"}]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= 20_000
    assert all(path.read_bytes().isascii() for path in files if path.parent == STATIC and path.suffix == ".js")
