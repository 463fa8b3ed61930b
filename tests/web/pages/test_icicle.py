"""The picture of a hunt: numbers only, a description, readable labels, and nothing to click on."""

from xml.etree import ElementTree as ET

import pytest

from evtrack.interfaces.web.charts.icicle import FATES, IcicleBlock, icicle, swatch
from evtrack.interfaces.web.hunt_batches import blocks
from story_samples import hunted


def drawn(*made: IcicleBlock, items: tuple[tuple[int, int], ...] = ((1, 101),), here: int = 0) -> ET.Element:
    """Draw blocks, and parse the picture."""
    return ET.fromstring(str(icicle(made, items, here=here)))  # noqa: S314  our own


def rectangles(picture: ET.Element) -> list[tuple[str, str, str, str]]:
    """Return class, x, width and y of what is filled with a colour."""
    return [
        (each.attrib["class"], each.attrib["x"], each.attrib["width"], each.attrib["y"])
        for each in picture.iter("rect")
        if each.attrib["class"] != "hatch"
    ]


def test_items_go_from_left_to_right_and_generations_down() -> None:
    picture = drawn(
        IcicleBlock(1, 0, [], [(1, 101)], "split"),
        IcicleBlock(2, 1, [(1, 51)], [], "suspect"),
        IcicleBlock(3, 1, [(51, 61)], [(61, 101)], "completed"),
        here=3,
    )
    assert [
        ("f-split", "0.00%", "100.00%", "0"),
        ("f-suspect", "0.00%", "50.00%", "30"),
        ("f-split here", "60.00%", "40.00%", "30"),
        ("f-completed here", "50.00%", "10.00%", "30"),
    ] == rectangles(picture)
    assert ["1", "2", "3"] == [each.text for each in picture.iter("text")]
    assert "100 items in 3 batches over 2 generations, 1 suspect, 1 completed, 1 split" == picture.attrib["aria-label"]
    assert ("img", "60") == (picture.attrib["role"], picture.attrib["height"])


def test_what_became_of_items_reaches_to_the_bottom() -> None:
    picture = drawn(
        IcicleBlock(1, 0, [(1, 51)], [(51, 101)], "completed"),
        IcicleBlock(2, 1, [(51, 76)], [], "running"),
        IcicleBlock(3, 1, [], [(76, 101)], "split"),
        IcicleBlock(4, 2, [(76, 101)], [], "poison"),
    )
    (trail,) = [each for each in picture.iter("rect") if each.attrib["class"].startswith("trail")]
    assert ("trail f-completed", "30", "60") == (trail.attrib["class"], trail.attrib["y"], trail.attrib["height"])


def test_items_are_named_below_where_there_is_room() -> None:
    picture = drawn(
        *(
            IcicleBlock(each, 0, [(each, each + 1)], [], "poison", f"doc:{each} <&>")
            for each in (1, 40, 41, 42, 43, 44)
        ),
        IcicleBlock(9, 0, [(60, 80)], [], "suspect", "k" * 200),
    )
    names = [each for each in picture.iter("text") if each.attrib["class"].startswith("name")]
    assert ["doc:1 <&>", "doc:40 <&>", "doc:41 <&>", "doc:42 <&>", "doc:43 <&>"] == [each.text for each in names]
    assert ["46", "46", "66", "86", "106"] == [each.attrib["y"] for each in names]
    assert all(0 <= float(each.attrib["x"].rstrip("%")) <= 100 for each in names)
    assert str(30 + 4 * 20) == picture.attrib["height"]
    assert 5 == len(list(picture.iter("line")))


def test_there_is_nothing_to_click_on_and_no_style() -> None:
    picture = icicle(blocks(hunted("a")), [(1, 9)])
    assert not {"a", "style", "script", "title"} & {each.tag for each in ET.fromstring(str(picture)).iter()}  # noqa: S314
    assert "style=" not in picture


def test_a_single_item_among_thousands_is_seen_and_has_no_label() -> None:
    picture = drawn(IcicleBlock(1, 0, [(10_000, 10_001)], [], "poison"), items=((1, 10_001),))
    assert [("f-poison", "99.40%", "0.60%", "0")] == rectangles(picture)
    assert [] == list(picture.iter("text"))


def test_gaps_in_the_ordinals_take_no_room_and_close_ranges_are_one() -> None:
    picture = drawn(IcicleBlock(1, 0, [(1, 11), (91, 101)], [], "pending"), items=((1, 11), (91, 101)))
    assert [("f-pending", "0.00%", "100.00%", "0")] == rectangles(picture)
    apart = drawn(IcicleBlock(1, 0, [(1, 11), (91, 101)], [], "pending"))
    assert [("f-pending", "0.00%", "10.00%", "0"), ("f-pending", "90.00%", "10.00%", "0")] == rectangles(apart)


def test_many_generations_are_flat_and_have_no_labels() -> None:
    picture = drawn(*(IcicleBlock(row + 1, row, [(1, 101)], [], "split") for row in range(60)))
    assert ("540", []) == (picture.attrib["height"], list(picture.iter("text")))


@pytest.mark.parametrize("fate", FATES)
def test_each_fate_has_a_sample_in_the_legend(fate: str) -> None:
    sample = ET.fromstring(str(swatch(fate)))  # noqa: S314  our own
    assert f"f-{fate}" == next(iter(sample.iter("rect"))).attrib["class"]
    hatch = [each.attrib["fill"] for each in sample.iter("rect") if "fill" in each.attrib]
    assert hatch in ([], [f"url(#hatch-{fate})"])
