"""Submitting a job: create, add, seal, reclaim and enqueue."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from client import Client, refused
from event_streams import data_of
from polling import eventually

pytestmark = pytest.mark.integration


class Submission:
    """An open job and what its submitter would hold."""

    def __init__(self, client: Client, **arguments: Any) -> None:
        named = "".join(f", {name} => %s" for name in arguments)
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments.values()]
        (row,) = client.rows(f"SELECT * FROM evtrack.create_job(%s{named})", client.handler, *values)
        self.client = client
        self.job_id: int = row["job_id"]
        self.job_day = row["job_day"]
        self.token: UUID = row["submitter_token"]
        self.items = 0
        self.batches = 0

    def add(self, counts: Sequence[int], *, payloads: int | None = None, **changes: Any) -> int:
        """Add a chunk of batches, its payload rows before it, in one transaction."""
        firsts = [self.items + 1 + sum(counts[:index]) for index in range(len(counts))]
        arguments = {
            "the_job": self.job_id,
            "the_submitter": self.token,
            "first_batch_no": self.batches + 1,
            "item_counts": list(counts),
            "weights": [2 * count for count in counts],
            "first_ordinals": firsts,
            **changes,
        }
        named = ", ".join(f"{name} => %s" for name in arguments)
        values = [
            Jsonb(value) if isinstance(value, dict) or name == "notes" else value for name, value in arguments.items()
        ]
        with self.client.conn.transaction(), self.client.conn.cursor() as cursor:
            with cursor.copy(
                "COPY evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload) FROM STDIN"
            ) as copy:
                for number in range(sum(counts) if payloads is None else payloads):
                    copy.write_row((self.job_day, self.job_id, self.items + 1 + number, self.batches + 1, "k", "{}"))
            last: int = self.client.one(f"SELECT evtrack.add_batches({named})", *values)
        self.items += sum(counts)
        self.batches = last
        return last

    def seal(self, token: UUID | None = None) -> None:
        """Seal the job."""
        self.client.one("SELECT evtrack.seal(%s, %s)", self.job_id, token or self.token)

    def row(self) -> dict[str, Any]:
        """Return the job's row."""
        (row,) = self.client.rows("SELECT *, phase::text AS phase FROM evtrack.job WHERE job_id = %s", self.job_id)
        return row


@pytest.fixture
def submission(client: Client) -> Submission:
    """An open job without batches."""
    return Submission(client)


# Submitting


def test_a_job_is_created_with_what_it_was_given(client: Client) -> None:
    token = uuid4()
    job = Submission(
        client,
        name="nightly",
        priority=3,
        policy={"max_errors": 2, "per_item": True},
        source={"path": "a.jsonl"},
        bytes_total=1000,
        submitter=token,
    )
    assert {
        "phase": "open",
        "name": "nightly",
        "priority": 3,
        "policy": {"max_errors": 2, "per_item": True},
        "source": {"path": "a.jsonl"},
        "bytes_total": 1000,
        "submitter": token,
        "version": 1,
        "suspended": False,
    }.items() <= job.row().items()
    assert ["created"] == client.types(job.job_id, 0)


@pytest.mark.parametrize(
    "policy",
    [
        {"max_errors": 1.5},
        {"max_errors": -1},
        {"max_crashes": "2"},
        {"max_losses": 100_000},
        {"backoff_s": -1},
        {"timeout_s": "1 s"},
        {"per_item": 1},
        {"retries": 3},
    ],
)
def test_a_bad_policy_is_refused_by_key_and_value(client: Client, policy: dict[str, Any]) -> None:
    with refused("EV007", f"policy key '{next(iter(policy))}'"):
        Submission(client, policy=policy)


@pytest.mark.parametrize("handler", ["", "a\nb", "x" * 201])
def test_a_bad_handler_is_refused(client: Client, handler: str) -> None:
    with refused("EV007", "invalid handler"):
        client.one("SELECT evtrack.create_job(%s)", handler)


def test_chunks_are_appended_in_order(client: Client, submission: Submission) -> None:
    assert 2 == submission.add([3, 2], source_position={"line": 5}, source_bytes_read=50)
    assert 3 == submission.add([4], source_position={"line": 9}, source_bytes_read=90, invalid=2)
    assert {
        "batch_count": 3,
        "item_count": 9,
        "invalid_count": 2,
        "position": {"line": 9},
        "bytes_read": 90,
    }.items() <= submission.row().items()
    assert [(3, 6, "{[1,4)}"), (2, 4, "{[4,6)}"), (4, 8, "{[6,10)}")] == [
        (batch.item_count, batch.weight, str(batch.ordinals)) for batch in client.batches(submission.job_id).values()
    ]
    client.check(submission.job_id)


def test_a_chunk_can_consist_of_only_notes_and_a_position(client: Client, submission: Submission) -> None:
    notes = [{"source": "a.jsonl:3", "reason": "bare null"}]
    submission.add([], source_position={"line": 3}, invalid=1, notes=notes, note_total=7)
    assert {"invalid_count": 1, "note_count": 7, "position": {"line": 3}, "batch_count": 0}.items() <= (
        submission.row().items()
    )
    assert {"total": 7, "notes": notes}.items() <= data_of(client.events(submission.job_id, 0)[-1]).items()


@pytest.mark.parametrize(
    "changes",
    [
        {"first_batch_no": 2},
        {"weights": [1]},
        {"first_ordinals": [2, 4]},
        {"first_ordinals": [1, 5]},
        {"payloads": 3},
        {"payloads": 0},
    ],
)
def test_an_inconsistent_chunk_is_refused_entirely(
    client: Client, submission: Submission, changes: dict[str, Any]
) -> None:
    with refused("EV007", f"job {submission.job_id}"):
        submission.add([2, 2], **changes)
    assert 0 == client.one("SELECT count(*) FROM evtrack.payload WHERE job_id = %s", submission.job_id)
    assert {} == client.batches(submission.job_id)
    assert 2 == submission.add([2, 2])


def test_a_chunk_allows_for_batches_that_were_split_meanwhile(client: Client, submission: Submission) -> None:
    submission.add([2])
    submission.add([2])
    worker = client.worker()
    assert ["split"] == client.crash(worker, client.claim(worker, submission.job_id, fresh=1))
    # It does not know that 3 and 4 are taken.
    assert 5 == submission.add([2])
    rows = client.rows(
        "SELECT ordinal, batch_no, path FROM evtrack.item_status WHERE job_id = %s ORDER BY ordinal", submission.job_id
    )
    assert [(1, 3, [1, 3]), (2, 4, [1, 4]), (3, 2, [2]), (4, 2, [2]), (5, 5, [5]), (6, 5, [5])] == [
        tuple(row.values()) for row in rows
    ]
    assert 6 == submission.add([1])
    with refused("EV007", "the next batch is 7, got 8"):
        submission.add([1], first_batch_no=8)
    client.check(submission.job_id)


def test_only_the_submitter_can_add_and_seal(submission: Submission) -> None:
    with refused("EV005", "another submitter has job"):
        submission.add([1], the_submitter=uuid4())
    with refused("EV005", "another submitter has job"):
        submission.seal(uuid4())


def test_a_sealed_job_accepts_no_more_batches(client: Client, submission: Submission) -> None:
    submission.add([1])
    submission.seal()
    submission.seal()
    assert ["created", "extended", "sealed"] == client.types(submission.job_id, 0)
    with refused("EV004", f"job {submission.job_id} is sealed"):
        submission.add([1])


def test_a_job_without_batches_is_finished_when_sealed(client: Client, submission: Submission) -> None:
    assert client.one("SELECT evtrack.finish_due(%s)", submission.job_id) is False
    submission.seal()
    assert client.one("SELECT evtrack.finish_due(%s)", submission.job_id) is True
    assert "finished" == client.phase(submission.job_id)


def test_a_missing_job_is_named(client: Client) -> None:
    for call in ("suspend(%s)", "resume(%s)", "cancel(%s)", "retry(%s)", "reclaim(%s)"):
        with refused("EV003", "no such job: 999999999"):
            client.one(f"SELECT evtrack.{call}", 999_999_999)
    assert client.one("SELECT evtrack.finish_due(%s)", 999_999_999) is False


def test_a_submission_is_taken_over_only_from_a_dead_submitter(client: Client, other: Client) -> None:
    dead = Submission(other)
    assert other.one("SELECT evtrack.hold_job(%s)", dead.job_id) is True
    assert other.one("SELECT evtrack.hold_job(%s)", dead.job_id) is True
    dead.add([2], source_position={"line": 2})
    with refused("EV005", "still being submitted"):
        client.one("SELECT evtrack.reclaim(%s)", dead.job_id)
    pid = other.conn.info.backend_pid
    other.conn.close()
    eventually(lambda: client.one("SELECT count(*) = 0 FROM pg_locks WHERE pid = %s", pid))
    (row,) = client.rows("SELECT * FROM evtrack.reclaim(%s)", dead.job_id)
    assert {"batch_count": 1, "item_count": 2, "position": {"line": 2}}.items() <= row.items()
    heir = Submission.__new__(Submission)
    heir.client, heir.job_id, heir.job_day, heir.token = client, dead.job_id, row["job_day"], row["submitter"]
    heir.items, heir.batches = 2, 1
    assert 2 == heir.add([1])
    heir.token = dead.token
    with refused("EV005", "another submitter has job"):
        heir.add([1])
    assert ["created", "extended", "reclaimed", "extended"] == client.types(dead.job_id, 0)
    client.check(dead.job_id)


def test_a_finished_submission_is_not_taken_over(client: Client) -> None:
    with refused("EV004", "nothing to resume"):
        client.one("SELECT evtrack.reclaim(%s)", client.job())


def test_enqueue_creates_a_complete_job(client: Client) -> None:
    job = client.one(
        "SELECT evtrack.enqueue(%s, %s, %s, batch_size => 2)", client.handler, ["a", "b", "c"], ["1", "2", "3"]
    )
    assert ["created", "extended", "sealed"] == client.types(job, 0)
    assert {1: 2, 2: 1} == {number: batch.item_count for number, batch in client.batches(job).items()}
    client.check(job)


@pytest.mark.parametrize(("keys", "payloads", "size"), [([], [], 1), (["a"], [], 1), (["a"], ["1"], 0)])
def test_enqueue_refuses_inconsistent_arguments(
    client: Client, keys: list[str], payloads: list[str], size: int
) -> None:
    with refused("EV007", "enqueue needs"):
        client.one(
            "SELECT evtrack.enqueue(%s, %s::text[], %s::text[], batch_size => %s)", client.handler, keys, payloads, size
        )


def test_a_line_break_in_a_payload_is_refused(client: Client) -> None:
    with refused("EV007", "has a newline"):
        client.one("SELECT evtrack.enqueue(%s, %s, %s)", client.handler, ["a"], ["1\n2"])


def test_a_job_can_be_enqueued_in_the_callers_own_transaction(client: Client) -> None:
    with client.conn.transaction(force_rollback=True):
        job = client.job(2)
        assert 2 == len(client.batches(job))
    assert [] == client.rows("SELECT FROM evtrack.job WHERE job_id = %s", job)
    assert {} == client.batches(job)


# Holding back and ending


def test_an_open_job_is_not_finished(client: Client, submission: Submission) -> None:
    submission.add([1])
    worker = client.worker()
    client.complete(worker, client.claim(worker, submission.job_id))
    assert client.one("SELECT evtrack.finish_due(%s)", submission.job_id) is False
