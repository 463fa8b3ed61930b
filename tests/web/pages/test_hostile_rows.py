"""Whatever a key, a name or an error is made of, a page keeps the elements and attributes that plain text gives it."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from act_samples import ACT_SAMPLES
from evtrack.domain.alerts.alert import AlertKind
from evtrack.domain.text import printable
from evtrack.interfaces.web.json_documents import json_document
from page_samples import SAMPLES, rendered
from room_samples import ROOM_SAMPLES

NASTY = (
    "</script><script>alert(1)</script>", '" onmouseover="alert(1)', "' onload='x", "<img src=x onerror=alert(1)>",
    "javascript:alert(1)", "a\r\ndata: forged\r\n\r\n", "\x00\x1b[31m", "\u202etxt.exe", "\udc80\udcff", "{{ 7 * 7 }}",
    "&lt;b&gt;&#34;", "]]>--><!--", "</td></tr></table>", "\u2028\u2029", "a" * 1000,
)  # fmt: skip
ALL = SAMPLES | ROOM_SAMPLES | ACT_SAMPLES
"""All samples, by template; what follows a colon tells those of one template apart."""

# Hypothesis tries words of the source, too. An alert of a kind that there is has more to show than one of another kind.
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=60).filter(
        lambda text: text not in set(AlertKind)
    ),
    st.sampled_from(NASTY),
)


class _Structure(HTMLParser):
    """The elements of a page, each with the names of its attributes; and its scripts' and events' texts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def _structure(html: str) -> _Structure:
    found = _Structure()
    found.feed(html)
    found.close()
    return found


@pytest.mark.parametrize("name", ALL)
@given(text=ANY_TEXT)
@example(text=NASTY[0])
@settings(max_examples=15, deadline=None)
def test_hostile_texts_change_no_element_and_no_attribute(name: str, text: str) -> None:
    hostile = rendered(name.partition(":")[0], ALL[name](text))
    # What is cut is whole in a title, so the harmless text is as long as the hostile one is when it is written out.
    harmless = rendered(name.partition(":")[0], ALL[name]("a" * len(printable(text))))
    found = _structure(hostile)
    assert found.elements == _structure(harmless).elements
    assert all(each.startswith("/") or each == "#content" for each in found.addresses)
    assert hostile.encode().decode() == hostile
    assert not any(ord(character) < 32 and character != "\n" for character in hostile)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("text", NASTY)
def test_a_model_is_one_line_of_json_whatever_its_texts(name: str, text: str) -> None:
    document = json_document(ALL[name](text).page)
    assert document.count("\n") == 1
    assert document.encode().endswith(b"}\n")


@pytest.mark.parametrize("name", ALL)
def test_no_page_has_a_style_or_a_handler_of_events(name: str) -> None:
    names = {
        each
        for _, attributes in _structure(rendered(name.partition(":")[0], ALL[name]("a"))).elements
        for each in attributes
    }
    assert not any(each == "style" or each.startswith("on") for each in names)
