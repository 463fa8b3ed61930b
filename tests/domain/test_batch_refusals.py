"""Events that the fold of a batch refuses."""

from dataclasses import replace

import pytest

from event_streams import WORKER, Stream, fold
from evtrack.domain.errors import IllegalEvent


def test_a_late_result_of_an_unknown_attempt_is_refused() -> None:
    with pytest.raises(IllegalEvent, match="the batch has had 0 attempts"):
        Stream().then("late_result", attempt=1)


def test_the_refusal_names_batch_version_and_reason() -> None:
    with pytest.raises(IllegalEvent, match=r"^job 3, batch 5, version 2: completed is refused: the batch is pending$"):
        Stream().then("completed")


def test_a_gap_in_the_versions_is_refused() -> None:
    stream = Stream()
    stream.events.append(stream.events[0])
    with pytest.raises(IllegalEvent, match="the next version is 2"):
        stream.start()


def test_a_stream_starts_with_enqueued() -> None:
    started = Stream()
    started.start()
    with pytest.raises(IllegalEvent, match="the next version is 1"):
        fold(started.events[1:])
    with pytest.raises(IllegalEvent, match=r"refused: there is no such batch$"):
        fold([replace(started.events[1], version=1)])


def test_a_job_event_is_refused_in_the_stream_of_a_batch() -> None:
    with pytest.raises(IllegalEvent, match="sealed is refused"):
        Stream().then("sealed")


def test_a_start_names_its_worker() -> None:
    with pytest.raises(IllegalEvent, match="the batch has had 0 attempts"):
        Stream().then("started")


@pytest.mark.parametrize("kind", ["completed", "failed", "crashed", "requeued"])
@pytest.mark.parametrize(("attempt", "worker"), [(2, WORKER), (0, WORKER), (1, 99), (1, None)])
def test_only_the_holder_reports(kind: str, attempt: int, worker: int | None) -> None:
    stream = Stream()
    stream.start()
    with pytest.raises(IllegalEvent, match="the batch has had 1 attempts, the last by worker 7"):
        stream.then(kind, attempt=attempt, worker=worker, **({"cause": "signal"} if kind == "crashed" else {}))


def test_a_crashed_batch_does_not_complete_entirely() -> None:
    stream = Stream()
    stream.start()
    stream.then("crashed", worker=WORKER, cause="signal")
    with pytest.raises(IllegalEvent, match="the batch is crashed"):
        stream.then("completed", worker=WORKER)


@pytest.mark.parametrize("kind", ["failed", "crashed"])
def test_only_a_derived_batch_can_start_in_a_final_status(kind: str) -> None:
    with pytest.raises(IllegalEvent, match="only a derived batch"):
        Stream().then(kind, **({"cause": "signal"} if kind == "crashed" else {}))
