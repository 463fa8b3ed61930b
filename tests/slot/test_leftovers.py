"""What is left by processes that end while others look for it."""

import pytest

from evtrack.runtime.slot import leftovers

FORK_SERVER, SLOT, CHILD = 10, 20, 30


def test_what_a_slot_leaves_when_it_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The slot still frees its memory in the next two looks; only then this process adopts its child.
    looks = iter([[SLOT], [SLOT], [SLOT], [SLOT, CHILD]])
    ends = iter([77, 77, None])
    killed: list[int] = []
    monkeypatch.setattr(leftovers, "children", lambda _: next(looks, []))
    monkeypatch.setattr(leftovers, "slot_of", lambda *_: SLOT)
    monkeypatch.setattr(leftovers, "start_time", lambda pid: next(ends, None) if pid == SLOT else None)
    monkeypatch.setattr(leftovers, "is_kept", lambda _: False)
    monkeypatch.setattr(leftovers, "kill_tree", killed.append)
    leftovers.kill_leftovers(FORK_SERVER)
    assert [SLOT, CHILD] == killed


def test_a_process_that_does_not_end_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_END_S", 0.05)
    monkeypatch.setattr(leftovers, "children", lambda _: [SLOT])
    monkeypatch.setattr(leftovers, "slot_of", lambda *_: SLOT)
    monkeypatch.setattr(leftovers, "start_time", lambda _: 77)
    monkeypatch.setattr(leftovers, "is_kept", lambda _: False)
    monkeypatch.setattr(leftovers, "kill_tree", lambda _: None)
    leftovers.kill_leftovers(FORK_SERVER)
