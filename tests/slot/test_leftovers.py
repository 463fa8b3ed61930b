"""What is left by processes that end while others look for it."""

import pytest

from evtrack.runtime.slot import leftovers

FORK_SERVER, SLOT, CHILD = 10, 20, 30


def test_what_a_slot_leaves_while_it_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first look finds the slot, which ends before its environment is read; only then its child is adopted.
    looks = iter([[SLOT], [CHILD], [CHILD], []])
    killed: list[int] = []
    monkeypatch.setattr(leftovers, "children", lambda _: next(looks, []))
    monkeypatch.setattr(leftovers, "slot_of", lambda pid, _: SLOT if pid == CHILD else None)
    monkeypatch.setattr(leftovers, "is_kept", lambda _: False)
    monkeypatch.setattr(leftovers, "kill_tree", killed.append)
    leftovers.kill_leftovers(FORK_SERVER)
    assert [CHILD] == killed
