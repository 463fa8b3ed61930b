"""Why batches wait is a sentence for each reason that the view knows."""

import pytest

from evtrack.interfaces.words.waiting import waiting_sentence
from evtrack.storage.reports.job_reports import Waiting
from page_samples import AT


@pytest.mark.parametrize(
    ("why", "batches", "workers", "free", "sentence"),
    [
        ("suspended", 40, 2, 1, "40 batches wait because the job is suspended, the oldest for 5m 0s"),
        ("backoff", 1, 2, 1, "1 batch waits for a retry, the first one not before 2026-11-24 21:05:00Z"),
        ("no worker", 2, 0, 0, "2 batches wait because no live worker offers parse\\r, the oldest for 5m 0s"),
        ("never started", 2, 1, 1, "2 batches wait although 1 slot of 1 live worker is free, the oldest for 5m 0s"),
        ("never started", 2, 2, 3, "2 batches wait although 3 slots of 2 live workers are free, the oldest for 5m 0s"),
        ("queue", 2, 1, 0, "2 batches wait for a free slot, the oldest for 5m 0s; 1 live worker offers parse\\r"),
        ("queue", 1, 2, 0, "1 batch waits for a free slot, the oldest for 5m 0s; 2 live workers offer parse\\r"),
    ],
)
def test_a_reason_is_a_sentence(why: str, batches: int, workers: int, free: int, sentence: str) -> None:
    row = Waiting(12, batches, 100, AT, 300.0, workers, free, why, overdue=False)
    assert waiting_sentence(row, "parse\r") == sentence


def test_a_sentence_leaves_out_times_that_are_unknown() -> None:
    row = Waiting(12, 1, 1, None, None, 0, 0, "backoff", overdue=False)
    assert waiting_sentence(row, "parse") == "1 batch waits for a retry"
