"""Workers that mark the items of suspects, and die: what a supervisor sends to the database, without the processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.types.json import Jsonb

from client import Claim, Client
from evtrack.domain.ordinals import Ordinals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Left(NamedTuple):
    """A batch in the pages of a dead worker."""

    claim: Claim
    in_hand: int | None
    done: Sequence[int] = ()
    begun: bool = True


def marker(client: Client) -> int:
    """Register a worker that marks."""
    return int(client.one("SELECT evtrack.register_worker('marker', 'host', 1, 2, %s, '0', true)", [client.handler]))


def mark(
    client: Client,
    worker: int,
    claim: Claim,
    in_hand: int | None,
    *,
    done: int | None = None,
    line: str | None = None,
    exclusive: bool = False,
) -> str:
    """Commit what a slot is about to do, and return the verdict."""
    (row,) = client.rows(
        "SELECT * FROM evtrack.mark_items(%s, %s, %s, %s, %s::integer[], %s::text[], %s::integer[], %s)",
        worker,
        [claim.job_id],
        [claim.batch_no],
        [claim.attempt],
        [done],
        [line],
        [in_hand],
        [exclusive],
    )
    assert (claim.job_id, claim.batch_no) == (row["job_id"], row["batch_no"])
    return str(row["verdict"])


def lose(client: Client, worker: int) -> int:
    """Let a worker be silent until it is declared lost, and return how many batches it held."""
    client.run_steadily()
    client.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id = %s", [worker])
    rows = client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
    (batches,) = [row["batches"] for row in rows if row["worker_id"] == worker]
    return int(batches)


def report_death(
    client: Client, dead: int, reporter: int, left: Iterable[Left], facts: dict[str, Any] | None = None
) -> list[str]:
    """Report what a dead worker had left, and return the verdict on each batch."""
    left = list(left)
    rows = client.rows(
        "SELECT * FROM evtrack.report_death(%s, %s, %s, %s::bigint[], %s::integer[], %s::integer[], %s::boolean[],"
        " %s::integer[], %s::text[], %s::text[])",
        dead,
        reporter,
        Jsonb(facts or {}),
        [each.claim.job_id for each in left],
        [each.claim.batch_no for each in left],
        [each.claim.attempt for each in left],
        [each.begun for each in left],
        [each.in_hand for each in left],
        [str(Ordinals.of(each.done)) for each in left],
        ["\n".join(f'"{ordinal}"' for ordinal in sorted(each.done)) or None for each in left],
    )
    return [row["verdict"] for row in rows]


def claimed_suspects(client: Client, job: int) -> tuple[int, list[Claim]]:
    """Lose a worker with all batches of a job, and claim them again for a worker that marks."""
    first = marker(client)
    client.claim(first, job)
    lose(client, first)
    worker = marker(client)
    return worker, sorted(client.claim(worker, job))


def claimed_alone(client: Client, job: int, batch: int) -> tuple[int, Claim]:
    """Let a new worker run only this batch."""
    worker = marker(client)
    others = [claim for claim in client.claim(worker, job, returning=100) if claim.batch_no != batch]
    claim = Claim(job, batch, client.batch(job, batch).attempt)
    while client.batch(job, batch).worker_id != worker:
        others += [claim for claim in client.claim(worker, job, returning=100) if claim.batch_no != batch]
        claim = Claim(job, batch, client.batch(job, batch).attempt)
    client.requeue(worker, others)
    return worker, claim


def batches(client: Client, job: int) -> list[tuple[str, str, str]]:
    """Return status, items and isolation of each batch that holds items, by number."""
    return [
        (str(batch.status), str(batch.ordinals), str(batch.isolation))
        for batch in client.batches(job).values()
        if batch.status != "split"
    ]


def batch_of(client: Client, job: int, items: str) -> int:
    """Find the batch that has exactly these items."""
    return next(number for number, b in client.batches(job).items() if str(b.ordinals) == items and b.status != "split")


def fates(client: Client, job: int) -> dict[int, str]:
    """Return each item's status."""
    rows = client.rows("SELECT ordinal, status::text AS status FROM evtrack.item_status WHERE job_id = %s", job)
    return {row["ordinal"]: row["status"] for row in rows}


def results(client: Client, job: int) -> dict[int, Any]:
    """Return each item's result."""
    rows = client.rows("SELECT ordinal, result FROM evtrack.item_result WHERE job_id = %s", job)
    return {row["ordinal"]: row["result"] for row in rows}
