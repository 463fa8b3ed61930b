"""What a server carries: 10 to 1,000 workers without slots, on sessions of their own and through a pooler.

Each simulated worker claims, lets the handler's time pass, and completes, by the rules and with the statements of
`evtrack work`; it sends heartbeats, and looks for work as often. What the fleet completed is checked at the end.

Usage: scale.py [--help]
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulation import load, pooler, report, storage
from simulation.fleet import Fleet
from simulation.measurement import Measurement, Times
from support import database, harness
from support.commands import BENCH
from table import facts, publish

if TYPE_CHECKING:
    from simulation.model import Point

_WORKERS: Final = [2, 5] if harness.SMOKE else [10, 50, 100, 200, 500, 1000]
_IDLE: Final = [5] if harness.SMOKE else [200, 1000]
_HANDLER_S: Final = [0.02] if harness.SMOKE else [0.01, 0.1, 1.0]
_DOCUMENT: Final = BENCH.parent / "docs/scale.md"
_RESERVED: Final = 20
"""Sessions of the server for everything but workers and the pooler."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure fleets of all sizes.

    Returns:
        The settings and the points.
    """
    sizes = sorted({*arguments.workers, *arguments.idle})
    with ExitStack() as stack:
        wanted = {"max_connections": str(arguments.connections)} if arguments.connections else {}
        server = stack.enter_context(harness.server(wanted))
        dsn = database.create(server, "bench_scale")
        conn = stack.enter_context(database.connect(dsn))
        left = storage.measure(conn)
        room = int(database.value(conn, "SHOW max_connections"))
        direct = _direct(room, sizes[-1], arguments)
        through = None
        if direct < sizes[-1]:
            clients = 2 * (sizes[-1] - direct) + 10
            through = stack.enter_context(pooler.pooler(dsn, sessions=arguments.pool, clients=clients))
        fleet = Fleet(dsn, through=through and through.dsn, direct=direct, slots=arguments.slots)
        stack.callback(fleet.close)
        times = Times(busy_s=arguments.seconds, idle_s=arguments.idle_seconds)
        measurement = Measurement(fleet, conn, dsn, through and through.pid, times)
        print(report.HEADER)
        points: list[Point] = []
        for size in sizes:
            if size in arguments.idle:
                points.append(_shown(measurement.idle(size)))
            if size in arguments.workers:
                points += [_shown(measurement.busy(size, handler_s)) for handler_s in arguments.handler_s]
        sessions = load.session_bytes(conn)
        failure = fleet.run_during(measurement.failure)
        known = facts.facts(server, None, [])
    settings = {
        "server": known["PostgreSQL"],
        "cores": known["machine"]["cores"],
        "processor": known["machine"]["cpu"],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "evtrack": known["evtrack"]["commit"],
        "max_connections": room,
        "pool": arguments.pool,
        "slots": arguments.slots,
        "busy_s": arguments.seconds,
    }
    found: dict[str, Any] = {"settings": settings, "points": [asdict(point) for point in points]}
    return {**found, "session_bytes": sessions, "storage": left, "failure": failure}


def main() -> None:
    """Measure, or show what was measured before."""
    sized = harness.sized
    numbers: dict[str, Any] = {"type": int, "nargs": "*", "metavar": "N"}
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--workers", default=_WORKERS, help="sizes of busy fleets", **numbers)
    add("--idle", default=_IDLE, help="sizes of idle fleets", **numbers)
    add("--handler-s", type=float, nargs="*", metavar="S", default=_HANDLER_S, help="seconds that a batch takes")
    add("--slots", type=int, default=1, help="batches that a worker runs at once")
    add("--seconds", type=float, default=sized(6.0, smoke=0.5), help="length of the measurement of a busy fleet")
    add("--idle-seconds", type=float, default=sized(20.0, smoke=0.5), help="the same of an idle fleet")
    add("--connections", type=int, default=sized(460, smoke=0), help="max_connections of the server; 0: as it is")
    add("--pool", type=int, default=10, help="sessions of the server that the pooler has")
    add("--direct", type=int, default=sized(-1, smoke=3), help="workers that need no pooler; -1: as many as fit")
    add("--json", type=Path, metavar="FILE", help="where to write what was measured")
    add("--read", type=Path, nargs="+", metavar="FILE", help="show what is in these files, and measure nothing")
    add("--docs", action="store_true", help="also put the tables into docs/scale.md")
    arguments = parser.parse_args()
    if arguments.read is not None:
        results = [json.loads(file.read_text(encoding="utf-8")) for file in arguments.read]
    else:
        results = [measure(arguments)]
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(results[0], indent=1) + "\n", encoding="utf-8")
    tables = report.markdown(*results)
    print("", tables, sep="\n")
    for result in results:
        if result["failure"]:
            sys.exit(f"not valid: {result['failure']}")
    if arguments.docs:
        publish.put(_DOCUMENT, tables, "bin/bench scale --docs")


def _direct(room: int, most: int, arguments: argparse.Namespace) -> int:
    """Return how many workers have sessions of their own, two each."""
    fit = (room - _RESERVED) // 2
    if fit < most:
        fit = (room - _RESERVED - arguments.pool) // 2
    return min(most, fit) if arguments.direct < 0 else min(most, fit, arguments.direct)


def _shown(point: Point) -> Point:
    print(report.line(point), flush=True)
    return point


if __name__ == "__main__":
    main()
