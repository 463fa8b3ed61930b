"""From the death of a slot to the crash event that others can read."""

import tempfile
import time
from pathlib import Path

from support import commands, database, measures
from support.row import Line, Row, Run, report

_ENQUEUE = "SELECT evtrack.enqueue('die', '{k}', ARRAY[to_json(%s::text)::text], policy => '{\"max_crashes\": 1}')"
_CRASHED = "SELECT EXISTS (SELECT FROM evtrack.event WHERE job_id = %s AND type = 'crashed')"
_POLL_S = 0.0005
_GAP_S = 0.12

ROW = Row(
    runs=(Run("evtrack", {"samples": 50}, {"samples": 2}, seconds=11),),
    lines=tuple(
        Line(
            f"Slot death to committed crash event, {name}",
            run="evtrack",
            figure=f"{name}_ms",
            unit="ms",
            target=target,
            at_most=True,
            readme=() if name == "p50" else None,
        )
        for name, target in (("p50", 5.0), ("p99", 12.0))
    ),
)


def measure(server: str, *, samples: int) -> dict[str, float]:
    """Let so many slots kill themselves, one after the other."""
    dsn = database.create(server, "bench_deaths")
    taken = []
    with (
        tempfile.TemporaryDirectory(prefix="evtrack-bench-") as directory,
        database.connect(dsn) as conn,
        commands.running(commands.worker(dsn, "handlers.dying", slots=2)) as process,
    ):
        conn.prepare_threshold = 1
        commands.wait_until(lambda: bool(database.value(conn, "SELECT count(*) FROM evtrack.worker")), process)
        for number in range(samples):
            time.sleep(_GAP_S)  # so that both slots live again
            file = Path(directory) / str(number)
            job = database.value(conn, _ENQUEUE, [str(file)])
            conn.execute("SELECT pg_notify('evtrack_work', 'die')")
            commands.wait_until(file.exists, process, every_s=_POLL_S)
            commands.wait_until(lambda job=job: database.value(conn, _CRASHED, [job]), process, every_s=_POLL_S)
            seen = time.monotonic()
            taken.append(1000 * (seen - float(file.read_text())))
        crashed = database.value(conn, "SELECT sum(crashed) FROM evtrack.job_progress")
    assert crashed == samples, crashed
    commands.verify(dsn)
    return {"p50_ms": measures.percentile(taken, 0.5), "p99_ms": measures.percentile(taken, 0.99)}


if __name__ == "__main__":
    report(measure)
