"""What the page of a slot says about its batches once its worker is dead."""

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evtrack.runtime.slot.shared_page import PAGE_BYTES, RESULT_BYTES, SharedPage
from evtrack.runtime.worker.state.batches_at_death import BatchOnPage, batches_at_death, batches_on_page
from evtrack.storage.queue.workers import BatchAtDeath


@pytest.fixture
def page() -> SharedPage:
    found = SharedPage(-1, content=bytearray(PAGE_BYTES))
    found.assigned.record(1, [(9, number, 1) for number in range(1, 6)])
    return found


def test_a_page_tells_what_had_begun_what_was_in_hand_and_what_was_done(page: SharedPage) -> None:
    assert [] == batches_on_page(page), "nothing had begun"
    page.begin(1, 1.0)
    page.outcomes.add(1, 0.5, b"1\n2")
    page.outcomes.clear()
    assert [BatchOnPage((9, 1, 1), is_completed=True, lines=b"1\n2")] == batches_on_page(page)
    page.begin(2, 1.0)
    page.end()
    page.begin(3, 1.0)
    first = BatchOnPage((9, 1, 1), is_completed=True, lines=b"1\n2")
    assert [first, BatchOnPage((9, 3, 1))] == batches_on_page(page), "the second had failed"
    page.begin_item(0)
    page.add_result(0, b"7")
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "the item had just ended"
    page.begin_item(1)
    assert [first, BatchOnPage((9, 3, 1), item=1, results={0: b"7"})] == batches_on_page(page)
    waiting = page.wait()
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "the item had no permit yet"
    page.go_on(waiting)
    page.begin_item(1)
    page.end()
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "it had failed"
    page.begin(4, 1.0)
    page.begin_whole()
    page.begin_item(2)
    assert [first, BatchOnPage((9, 4, 1), is_whole=True)] == batches_on_page(page), "a batch handler may read ahead"
    page.wait()
    assert [first, BatchOnPage((9, 4, 1))] == batches_on_page(page)


def test_indexes_become_ordinals() -> None:
    ordinals = {(9, 1, 1): [11, 13, 14], (9, 2, 1): [20]}
    translated = [
        (
            BatchOnPage((9, 1, 1), item=1, results={0: b"7", 2: b""}),
            BatchAtDeath((9, 1, 1), True, 13, "{[11,12),[14,15)}", "7\n"),
        ),
        (BatchOnPage((9, 1, 1), results={0: b""}), BatchAtDeath((9, 1, 1), True, None, "{[11,12)}", None)),
        (BatchOnPage((9, 1, 1), is_whole=True), BatchAtDeath((9, 1, 1), True, 0, None, None)),
        (BatchOnPage((9, 2, 1), is_whole=True), BatchAtDeath((9, 2, 1), True, 0, None, None)),
        (BatchOnPage((9, 1, 1), is_completed=True), BatchAtDeath((9, 1, 1), True, None, "{[11,12),[13,15)}", None)),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"1"), BatchAtDeath((9, 2, 1), True, None, "{[20,21)}", "1")),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"{"), BatchAtDeath((9, 2, 1), True, None, None, None)),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"1\n2"), BatchAtDeath((9, 2, 1), True, None, None, None)),
        (
            BatchOnPage((9, 1, 1), item=3, results={0: b"a\nb", 9: b"1"}),
            BatchAtDeath((9, 1, 1), True, None, None, None),
        ),
    ]
    for batch, expected in translated:
        assert [expected] == batches_at_death([batch], ordinals)
    assert [] == batches_at_death([BatchOnPage((9, 3, 1)), BatchOnPage((9, 1, 2))], ordinals)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.001, 0.01, 0.5, 1.0]), words=st.booleans())
def test_garbage_never_raises_and_never_names_a_batch_that_was_not_held(seed: int, share: float, words: bool) -> None:  # noqa: FBT001
    dice = random.Random(seed)
    content = bytearray(PAGE_BYTES)
    page = SharedPage(-1, content=content)
    page.assigned.record(1, [(9, number, 1) for number in range(1, 6)])
    page.begin(dice.randrange(7), 1.0)
    page.add_result(0, b"7")
    page.outcomes.add(1, 0.5, None)
    for _ in range(int(share * PAGE_BYTES)):
        content[dice.randrange(PAGE_BYTES)] = dice.randrange(256)
    if words:
        content[:96] = dice.randbytes(96)
    held = {(9, number, 1): [number] for number in range(1, 6)}
    found = batches_at_death(batches_on_page(page), held)
    assert {batch.key for batch in found} <= held.keys()
    for batch in found:
        assert batch.in_hand in {None, 0, *held[batch.key]}


def test_results_that_no_longer_fit_on_the_page_are_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page"
    ours = SharedPage.create(path)

    def read() -> dict[int, bytes]:
        with path.open("rb") as file:
            found = SharedPage.read(file.fileno())
        return {**found.spilled_results, **found.results()}

    for seq in (1, 2):
        ours.begin(seq, 1.0)
        assert {} == read(), "those of another batch do not count"
        lines = {index: b"%d" % index * 9_000 for index in range(20)} | {20: b"x" * 2 * RESULT_BYTES, 21: b"1"}
        for index, line in lines.items():
            ours.begin_item(index)
            if not ours.add_result(index, line):
                ours.spill_results(index, line)
        assert lines == read()
    spilled = SharedPage.spill_results

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    spilled(ours, 22, b"2")
    assert {index: line for index, line in lines.items() if index < 21} == read(), "the disk is full"
    ours._words[13] = 2**63
    assert {} == read()
    ours.close()
