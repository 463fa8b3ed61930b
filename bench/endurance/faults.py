"""Faults of servers, networks and clocks under work: what became of each item, and how long nothing went on.

Three workers with two slots each, a watcher, a reader of all events and a submitter work on while the fault lasts. Each
row says how many items there were, how many executions were repeated, how many workers were declared lost without
cause, the longest time without progress during the fault and after it, when the last worker was back, and everything
that is not as it should be.

Usage: faults.py [--before EVTRACK] [--keep DIRECTORY] [NAME...]   (all without a name; --list prints them)
  --before names another evtrack program, such as that of an older checkout.
Faults of the network need root, ip and iptables; a full disk needs root and mount; clocks need a C compiler.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from support import commands, harness

sys.path.insert(0, str(commands.BENCH.parent / "tests/support"))
sys.path.insert(0, str(commands.BENCH.parent / "tests/support/faults"))

from kinds import FAULTS, Fault  # type: ignore[import-not-found]
from scene import scene  # type: ignore[import-not-found]
from verdict import Report, finish  # type: ignore[import-not-found]

_RATE = 200.0
_WORKERS = 3


def run(fault: Fault, evtrack: list[str], keep: Path | None = None) -> Report:
    """Bring a fault about under work.

    Args:
        fault: The fault.
        evtrack: The words that run evtrack.
        keep: Where to copy logs to.
    """
    smoke = harness.SMOKE
    with scene(evtrack=evtrack, keep=keep, **fault.scene) as made:
        load, over = made.load, threading.Event()
        load.submit(
            made.cluster.dsn(dbname="evtrack"),
            int(_RATE * ((fault.lasts_s if fault.works_on else 0) + (2 if smoke else 12))),
        )
        for number in range(_WORKERS):
            inside = made.hosts[number // 2].inside() if made.hosts else ()
            load.work(made.dsn, inside=inside)
        near = made.hosts[0].inside() if made.hosts else ()
        load.watch(made.dsn, inside=near)
        if fault.companions:
            load.follow(made.dsn, inside=near)
            load.feed(made.dsn, per_s=20, until=over, inside=near)
        load.running(pooled=bool(fault.scene.get("with_pooler")))
        begun = time.monotonic()
        fault.inject(made)
        ended = time.monotonic()
        threading.Timer(1.0, over.set).start()
        report = finish(load, (begun, ended), settle_s=1.0 if smoke else 5.0)
    if report.lost > fault.may_lose:
        report.problems.append(f"{report.lost} workers declared lost")
    return report


def row(name: str, fault: Fault, report: Report) -> str:
    """Return a row of the table."""
    ended = " ".join(f"{status} {count:,}" for status, count in sorted(report.ended.items()))
    verdict = "; ".join(report.problems) or "as it must be"
    return (
        f"| {name} | {fault.about} | {report.items:,} | {ended} | {report.ran_again} | {report.lost} | "
        f"{report.stalled_s:.1f} | {report.stalled_after_s:.1f} | {report.returned_s:.1f} | {verdict} |"
    )


def main(arguments: list[str]) -> None:
    """Try faults, and print a row for each."""
    if "--list" in arguments:
        for name, fault in FAULTS.items():
            print(f"{name:<18} {fault.about}")
        return
    evtrack, keep = [sys.executable, "-m", "evtrack"], None
    if "--before" in arguments:
        place = arguments.index("--before")
        evtrack = [arguments[place + 1]]
        del arguments[place : place + 2]
    if "--keep" in arguments:
        place = arguments.index("--keep")
        keep = Path(arguments[place + 1])
        del arguments[place : place + 2]
    names = arguments or (["none"] if harness.SMOKE else list(FAULTS))
    print(
        "| fault | what is done | items | ended | repeated | lost | stall during, s | stall after, s"
        " | last worker back, s | verdict |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    for name in names:
        try:
            report = run(FAULTS[name], evtrack, keep / name if keep else None)
        except Exception as error:  # noqa: BLE001  the others are tried nevertheless
            report = Report([f"the trial itself failed: {type(error).__name__}: {str(error)[-600:]}"])
        failed |= bool(report.problems)
        print(row(name, FAULTS[name], report), flush=True)
    if failed and harness.SMOKE:
        sys.exit(1)


if __name__ == "__main__":
    os.umask(0o022)
    # A scene that is left behind would keep its servers and hosts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(sys.argv[1:])
