"""Faults that pass, one after another under the same work: everything ends as it must, nobody is lost or blamed.

`bin/bench faults` tries each fault alone, longer, and others too; it prints how long nothing went on.
"""

import shutil
import time
from pathlib import Path

import pytest

import injections
import network
import operator_faults
from scene import Scene, scene
from verdict import finish

pytestmark = [pytest.mark.integration, pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

# Longer faults than the lease must cost nobody anything.
WORKER = ("--lease", "3", "--lose-grace", "1")


def test_a_bad_day_of_the_server_costs_nothing(tmp_path: Path) -> None:
    def bad_day(scene: Scene) -> None:
        injections.killed_sessions(2)(scene)
        operator_faults.setting(2, default_transaction_read_only="on")(scene)
        injections.frozen(4)(scene)
        operator_faults.no_connections(3)(scene)
        injections.restarts(2)(scene)
        operator_faults.locked("LOCK TABLE evtrack.worker", 4)(scene)
        if scene.step:
            injections.clock((-0.03, 0.5), (-3600, 1), (3600, 1), (0, 1))(scene)

    settings = {"max_connections": "40", "superuser_reserved_connections": "0"}
    with scene(own_clock=shutil.which("cc") is not None, settings=settings, keep=tmp_path / "logs") as made:
        _goes_on(made, bad_day, items=1500)


@pytest.mark.skipif(not network.available(), reason="needs root, ip and iptables")
def test_dropped_packets_for_longer_than_the_lease_cost_nothing(tmp_path: Path) -> None:
    def dropped(scene: Scene) -> None:
        injections.dropped(5)(scene)
        time.sleep(1)
        injections.dropped(5, outgoing=False)(scene)

    with scene(with_network=True, keep=tmp_path / "logs") as made:
        _goes_on(made, dropped, items=800)


def _goes_on(made: Scene, inject: injections.Inject, *, items: int) -> None:
    """Bring a fault about under work, and expect no trace of it."""
    load = made.load
    load.submit(made.cluster.dsn(dbname="evtrack", user="app"), items)
    for number in range(2):
        load.work(made.dsn, *WORKER, inside=made.hosts[number].inside() if made.hosts else ())
    load.watch(made.dsn, *WORKER, inside=made.hosts[0].inside() if made.hosts else ())
    load.running()
    begun = time.monotonic()
    inject(made)
    report = finish(load, (begun, time.monotonic()), settle_s=0.5, timeout_s=60)
    assert not report.problems, "\n".join(report.problems)
    assert 0 == report.lost
    # An item that was in hand when its worker had to begin anew may run again; none does so without need.
    assert report.ran_again <= 40
