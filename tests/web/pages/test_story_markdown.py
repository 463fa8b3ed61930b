"""The story of a batch as Markdown: whatever comes from outside is text in a block or a span of code."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from evtrack.domain.text import printable
from evtrack.interfaces.words.story_markdown import code_span, fenced, story_markdown
from story_samples import WORKER, event, history

NASTY = (
    "`", "```", "```\n</details>", "`````text", " ` ", "~~~", "</td><script>alert(1)</script>", "<!--",
    "[x](javascript:1)", "![x](https://evil.test/x.png)", "https://evil.test", "@everyone", "#1", "# head", "- item",
    "> quote", "a|b", "\\`", "&lt;", "\r\n\r\n# head", "\x00\x1b[2J", "\u202e", "\udc80", " ", "\t", "*", "**", "_",
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=60),
    st.text("`~ \n<&\\", min_size=1, max_size=30),
    st.sampled_from(NASTY),
)


def shape(markdown: str) -> list[tuple[str, str, str]]:
    """Return what Markdown consists of, without the content of code."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [part for token in tokens for part in _shapes(token)]


def _shapes(token: Token) -> list[tuple[str, str, str]]:
    if token.type == "inline":
        return [part for child in token.children or [] for part in _shapes(child)]
    code = token.type in {"fence", "code_inline"}
    return [(token.type, token.tag, token.info if code else token.content)]


@given(text=ANY_TEXT)
@example(text=NASTY[0])
@example(text=" ")
@settings(max_examples=150, deadline=None)
def test_hostile_texts_change_nothing_but_the_content_of_code(text: str) -> None:
    hostile, harmless = story_markdown(history(text)), story_markdown(history("a" if printable(text).strip() else " "))
    assert shape(harmless) == shape(hostile)
    assert "html" not in " ".join(kind for kind, _, _ in shape(hostile))
    assert hostile.encode().decode() == hostile
    assert not any(ord(character) < 32 and character != "\n" for character in hostile)


@pytest.mark.parametrize("text", NASTY)
def test_code_shows_the_text_itself(text: str) -> None:
    line = printable(text)
    (block,) = MarkdownIt("commonmark").parse(fenced([line, line]))
    assert ("fence", f"{line}\n{line}\n") == (block.type, block.content)
    if line.strip():
        (_, inline, _) = MarkdownIt("commonmark").parse(f"handler: {code_span(line)}")
        assert inline.children is not None
        assert [("text", "handler: "), ("code_inline", line)] == [(each.type, each.content) for each in inline.children]


def test_the_story_has_the_times_the_reports_and_what_became_of_the_items() -> None:
    stderr = "\n".join("abc" * 20)
    events = [
        event(1, "enqueued", items=3, parent=3, root=1),
        event(2, "started", worker=WORKER),
        event(3, "crashed", worker=WORKER, cause="signal", signal="SIGSEGV", item_key="key:4", stderr=stderr),
        event(4, "split", to=[9, 10]),
    ]
    text = story_markdown(history("parse-pdf", events=events, isolation="none"))
    assert text.startswith("# Job 12, batch 7\n\n- handler: `parse-pdf`\n- status: **pending**, 3 items, 2 attempts,")
    assert "2026-11-24 12:00:02.000Z  +1.0s  started by worker" in text
    assert "crashed on worker 371883213885: SIGSEGV at key:4" in text
    assert "### Event 3: stderr, last 30 of 60 lines" in text
    assert "    1  crashed  1 > 3 > 7 > 9  parse-pdf\n" in text
    assert "    5  pending  1 > 3 > 7      parse-pdf... (4 more)\n" in text


def test_why_a_batch_runs_with_care_is_said() -> None:
    assert "was in hand when worker 371883213885 died" in story_markdown(history("a"))


def test_without_stored_items_nothing_is_said_about_them() -> None:
    told = history("a")
    told.outcomes.clear()
    assert "What became" not in story_markdown(told)
