"""How many streams there are at a time, of all and of each user; and how an event is written."""

import json

import pytest

from dashboards import in_loop
from evtrack.interfaces.web.live.stream import MAX_STREAMS, MAX_STREAMS_OF_USER, StreamPlaces, StreamViewer
from evtrack.runtime.live.topics import Frame


def test_a_user_has_so_many_streams_and_leaves_the_rest_to_others() -> None:
    places = StreamPlaces()
    assert [True] * MAX_STREAMS_OF_USER + [False] == [places.take("ann") for _ in range(MAX_STREAMS_OF_USER + 1)]
    assert places.take("bob")
    places.give_back("ann")
    assert places.take("ann")


@pytest.mark.parametrize("users", [1, 11])
def test_all_together_have_so_many(users: int) -> None:
    places = StreamPlaces()
    # Users without a name cannot be told apart: only the sum limits them.
    names = [f"user {number % users}" if users > 1 else "" for number in range(MAX_STREAMS)]
    assert all(places.take(name) for name in names)
    assert not places.take("one more")
    assert not places.take("")
    for name in names:
        places.give_back(name)
    assert places.take("one more")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\u2028", "\x85"])
def test_a_line_break_in_a_region_ends_no_event(end: str) -> None:
    region = f"a{end}data: forged{end}{end}id: forged"

    async def event() -> bytes | None:
        viewer = StreamViewer()
        viewer.offer(Frame({"shown": region}, "version", 1.0))
        return await viewer.next_event()

    written = in_loop(event)
    assert written is not None
    first, second, *rest = written.decode().splitlines()
    assert ("id: version", [""]) == (first, rest)
    assert region == json.loads(second.removeprefix("data: "))["regions"]["shown"]
