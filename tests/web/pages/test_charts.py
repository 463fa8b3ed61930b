"""Charts are made of numbers and of our own words alone."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from evtrack.interfaces.web.charts.bar import share_bar
from evtrack.interfaces.web.charts.timeline import HEIGHT, WIDTH, stacked_areas

NUMBERS = st.integers(0, 10**9)
ELEMENTS = {
    "svg": {"class", "viewBox", "preserveAspectRatio", "role", "aria-label"},
    "path": {"class", "d"},
    "rect": {"class", "x", "y", "width", "height"},
    "line": {"class", "x1", "x2", "y1", "y2"},
}
CLASSES = {"bar", "big", "rule", "cursor", "s-done", "s-failed", "s-pending"}
WORDS = ("done", "failed", "pending")


def _checked(svg: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314  we have just made it
    for each in root.iter():
        assert set(each.attrib) <= ELEMENTS[each.tag]
        assert set(each.get("class", "").split()) <= CLASSES
    assert root.get("role") == "img"
    assert root.get("aria-label")
    return root


def _points(path: str) -> list[tuple[float, float]]:
    pairs = path.removeprefix("M").removesuffix("Z").split("L")
    return [(float(x), float(y)) for x, y in (pair.split(" ") for pair in pairs)]


@given(numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS), rest=NUMBERS, big=st.booleans())
def test_a_bar_divides_its_width(numbers: tuple[int, int, int], rest: int, big: bool) -> None:  # noqa: FBT001
    root = _checked(share_bar(list(zip(WORDS, numbers, strict=True)), sum(numbers) + rest, big=big))
    end = 0.0
    for each in root.iter("rect"):
        assert abs(float(each.attrib["x"]) - end) < 0.2
        end = float(each.attrib["x"]) + float(each.attrib["width"])
    assert end <= WIDTH + 0.2
    assert len(list(root.iter("rect"))) >= sum(number > 0 for number in numbers) - 2


def test_a_bar_names_its_numbers() -> None:
    assert share_bar([("done", 1200), ("failed", 0)], 5000).count('aria-label="1,200 done of 5,000"') == 1
    assert 'aria-label="nothing yet of 0"' in share_bar([], 0)


MOMENTS = st.lists(st.tuples(st.integers(0, 10**7), NUMBERS, NUMBERS, NUMBERS), max_size=240)


@given(moments=MOMENTS, cursor=st.none() | st.integers(-(10**7), 10**8))
def test_areas_stay_in_their_box_and_are_whole_numbers_of_points(
    moments: list[tuple[int, int, int, int]], cursor: int | None
) -> None:
    moments.sort()
    layers = [(word, [each[place] for each in moments]) for place, word in enumerate(WORDS, 1)]
    root = _checked(stacked_areas([float(each[0]) for each in moments], layers, cursor=cursor))
    for each in root.iter("path"):
        if each.get("class") != "rule":
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in _points(each.attrib["d"]))
    lines = list(root.iter("line"))
    assert len(lines) == (cursor is not None and bool(moments))
    assert all(0 <= float(each.attrib["x1"]) <= WIDTH for each in lines)


def test_the_lowest_layer_is_drawn_last_so_that_it_covers_the_others() -> None:
    root = _checked(stacked_areas([0, 10], [("done", [0, 5]), ("failed", [0, 0]), ("pending", [10, 5])]))
    assert [each.get("class") for each in root.iter("path")] == ["rule", "s-pending", "s-done"]
    pending, done = (_points(each.attrib["d"]) for each in list(root.iter("path"))[1:])
    assert pending == [(0, HEIGHT), (0, 0), (WIDTH, 0), (WIDTH, HEIGHT)]
    assert done == [(0, HEIGHT), (0, HEIGHT), (WIDTH, HEIGHT / 2), (WIDTH, HEIGHT)]


def test_one_moment_is_drawn_as_a_band() -> None:
    root = _checked(stacked_areas([5.0], [("done", [3])]))
    assert _points(list(root.iter("path"))[1].attrib["d"])[1:3] == [(0, 0), (WIDTH, 0)]


def test_a_level_stretch_has_two_points() -> None:
    svg = stacked_areas(list(range(100)), [("done", [7] * 100)])
    assert len(_points(list(_checked(svg).iter("path"))[1].attrib["d"])) == 4
