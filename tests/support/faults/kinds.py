"""The faults, each a function that brings it about under work and takes it away again."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from cluster import wait_for
from scene import Scene

Inject = Callable[[Scene], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault.

    Args:
        about: What is done, in words.
        inject: Brings it about, and returns when it is over.
        lasts_s: For about how long.
        works_on: Whether work may go on meanwhile, so that there must be enough of it.
        may_lose: How many workers may rightly be declared lost.
        scene: What the scene needs.
        companions: Whether a follower and a submitter run too.
    """

    about: str
    inject: Inject
    lasts_s: float
    works_on: bool = False
    may_lose: int = 0
    scene: dict[str, Any] = field(default_factory=dict)
    companions: bool = True


def _dropped(seconds: float, *, incoming: bool = True, outgoing: bool = True) -> Inject:
    def inject(scene: Scene) -> None:
        assert scene.server_host
        scene.server_host.drop(incoming=incoming, outgoing=outgoing)
        time.sleep(seconds)
        scene.server_host.heal()

    return inject


def _one_host_dropped(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        scene.hosts[1].drop()
        time.sleep(seconds)
        scene.hosts[1].heal()

    return inject


def _frozen(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        scene.cluster.freeze()
        time.sleep(seconds)
        scene.cluster.thaw()

    return inject


def _away(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        scene.cluster.stop("fast")
        time.sleep(seconds)
        scene.cluster.start()

    return inject


def _restarts(times: int) -> Inject:
    def inject(scene: Scene) -> None:
        for _ in range(times):
            scene.cluster.stop("immediate")
            scene.cluster.start()
            time.sleep(1)

    return inject


def _killed_sessions(times: int) -> Inject:
    def inject(scene: Scene) -> None:
        with scene.admin() as admin:
            for _ in range(times):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'evtrack%'"
                )
                time.sleep(1)

    return inject


def _read_only(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        scene.cluster.set(default_transaction_read_only="on")
        time.sleep(seconds)
        scene.cluster.set(default_transaction_read_only=None)

    return inject


def _disk_full(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        assert scene.disk
        ballast = scene.disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        # What the server frees meanwhile is taken too.
        deadline = time.monotonic() + seconds
        with ballast.open("ab", buffering=0) as file:
            while time.monotonic() < deadline:
                with suppress(OSError):
                    file.write(b"\0" * 4096)
                time.sleep(0.01)
        ballast.unlink()
        if scene.cluster.pid is None or not wait_for(lambda: scene.cluster.connect().close() is None, 20):
            scene.cluster.stop()
            scene.cluster.start()

    return inject


def _notify_full(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        with scene.admin() as stuck, scene.admin() as filler:
            stuck.execute("LISTEN nothing")
            stuck.execute("BEGIN")
            stuck.execute("SELECT 1")
            with suppress(psycopg.Error):
                while True:
                    filler.execute("SELECT pg_notify('nothing', repeat('y', 7000) || g) FROM generate_series(1, 20) g")
            time.sleep(seconds)
            stuck.execute("ROLLBACK")

    return inject


def _no_connections(seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        with ExitStack() as stack, scene.admin() as admin:
            # Whoever asks first when a connection is free has it: the test asks all the time.
            deadline = time.monotonic() + seconds
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'evtrack%'"
            )
            while time.monotonic() < deadline:
                try:
                    stack.enter_context(scene.admin())
                except psycopg.Error:
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'evtrack%'"
                    )
                    time.sleep(0.02)

    return inject


def _locked(statement: str, seconds: float) -> Inject:
    def inject(scene: Scene) -> None:
        with scene.admin() as holder, holder.transaction():
            holder.execute(statement.encode())
            time.sleep(seconds)

    return inject


def _clock(*steps: tuple[float, float]) -> Inject:
    def inject(scene: Scene) -> None:
        assert scene.step
        for ahead, stays in steps:
            scene.step(ahead)
            time.sleep(stays)

    return inject


def _clock_creeps_back(times: int, by: float, every: float) -> Inject:
    def inject(scene: Scene) -> None:
        assert scene.step
        for number in range(1, times + 1):
            scene.step(-by * number)
            time.sleep(every)

    return inject


def _failover(*, early: float = 0.0, lag_s: float = 0.0) -> Inject:
    """The primary dies; the standby answers for a while before it is promoted.

    Args:
        early: For how long the standby answers as a standby.
        lag_s: For how long it received nothing before, so that the commits of that time are lost.
    """

    def inject(scene: Scene) -> None:
        assert scene.standby
        if lag_s:
            with scene.standby.connect() as conn:
                conn.execute("ALTER SYSTEM SET primary_conninfo = ''")
                conn.execute("SELECT pg_reload_conf()")
            time.sleep(lag_s)
        scene.cluster.stop("immediate")
        time.sleep(early)
        scene.standby.promote()
        scene.primary = scene.standby

    return inject


def _killed_worker(scene: Scene) -> None:
    os.kill(scene.load.workers[0].pid, signal.SIGSTOP)
    time.sleep(40)
    os.kill(scene.load.workers[0].pid, signal.SIGCONT)


_NET = {"with_network": True}
_CLOCKED = {"own_clock": True}
_PAIR = {"with_standby": True}

FAULTS: dict[str, Fault] = {
    "none": Fault(about="nothing, for 5 s", inject=lambda _: time.sleep(5), lasts_s=5, works_on=True),
    "drop-10s": Fault(about="packets dropped both ways for 10 s", inject=_dropped(10), lasts_s=10, scene=_NET),
    "drop-40s": Fault(about="packets dropped both ways for 40 s", inject=_dropped(40), lasts_s=40, scene=_NET),
    "drop-120s": Fault(about="packets dropped both ways for 2 min", inject=_dropped(120), lasts_s=120, scene=_NET),
    "drop-to-server": Fault(
        about="packets to the server dropped for 40 s", inject=_dropped(40, outgoing=False), lasts_s=40, scene=_NET
    ),
    "drop-from-server": Fault(
        about="packets from the server dropped for 40 s", inject=_dropped(40, incoming=False), lasts_s=40, scene=_NET
    ),
    "drop-one-host": Fault(
        about="packets of one of two hosts dropped for 60 s", inject=_one_host_dropped(60), lasts_s=60, works_on=True,
        may_lose=1, scene=_NET,
    ),
    "frozen": Fault(about="server stopped with SIGSTOP for 35 s", inject=_frozen(35), lasts_s=35),
    "away": Fault(about="server shut down for 40 s", inject=_away(40), lasts_s=40),
    "restarts": Fault(about="ten restarts in a row, -m immediate", inject=_restarts(10), lasts_s=15, works_on=True),
    "sessions": Fault(
        about="all sessions terminated, ten times", inject=_killed_sessions(10), lasts_s=10, works_on=True
    ),
    "failover-sync": Fault(
        about="synchronous standby promoted after 5 s", inject=_failover(early=5), lasts_s=8,
        scene={**_PAIR, "synchronous": True},
    ),
    "failover-async": Fault(
        about="asynchronous standby, 1 s behind, promoted after 5 s", inject=_failover(early=5, lag_s=1), lasts_s=9,
        scene=_PAIR, works_on=True, companions=False,
    ),
    "read-only": Fault(about="server read-only for 5 s", inject=_read_only(5), lasts_s=5),
    "disk-full": Fault(
        about="disk of the server full for 6 s", inject=_disk_full(6), lasts_s=6,
        scene={"small_disk_mb": 400, "settings": {"max_wal_size": "64MB", "min_wal_size": "32MB"}},
    ),
    "notify-full": Fault(
        about="NOTIFY queue full for 15 s", inject=_notify_full(15), lasts_s=20, works_on=True,
        scene={"settings": {"max_notify_queue_pages": "64"}},
    ),
    "connections": Fault(
        about="no connection free for 15 s", inject=_no_connections(15), lasts_s=15,
        scene={"settings": {"max_connections": "40", "superuser_reserved_connections": "0"}},
    ),
    "lock-batch": Fault(
        about="table batch locked for 30 s", inject=_locked("LOCK TABLE evtrack.batch", 30), lasts_s=30
    ),
    "lock-event": Fault(
        about="table event locked for 30 s", inject=_locked("LOCK TABLE evtrack.event", 30), lasts_s=30
    ),
    "lock-job": Fault(about="table job locked for 30 s", inject=_locked("LOCK TABLE evtrack.job", 30), lasts_s=30),
    "lock-worker": Fault(
        about="table worker locked for 35 s", inject=_locked("LOCK TABLE evtrack.worker", 35), lasts_s=35, works_on=True
    ),
    "lock-upkeep": Fault(
        about="table upkeep locked for 35 s", inject=_locked("LOCK TABLE evtrack.upkeep", 35), lasts_s=35, works_on=True
    ),
    "lock-job-row": Fault(
        about="rows of jobs locked for 30 s", inject=_locked("SELECT 1 FROM evtrack.job FOR UPDATE", 30), lasts_s=30,
        works_on=True,
    ),
    "clock-back-30ms": Fault(
        about="server's clock back by 30 ms, 40 times", inject=_clock_creeps_back(40, 0.03, 0.25), lasts_s=10,
        works_on=True, scene=_CLOCKED,
    ),
    "clock-back-1h": Fault(
        about="server's clock back by an hour", inject=_clock((-3600, 15)), lasts_s=15, works_on=True, scene=_CLOCKED
    ),
    "clock-forward-1h": Fault(
        about="server's clock ahead by an hour", inject=_clock((3600, 15)), lasts_s=15, works_on=True, scene=_CLOCKED
    ),
    "clock-both": Fault(
        about="server's clock +60 s, -60 s, +1 h, -1 h, 5 s each", inject=_clock((60, 5), (0, 5), (3600, 5), (0, 5)),
        lasts_s=20, works_on=True, scene=_CLOCKED,
    ),
    "worker-stopped": Fault(
        about="one worker stopped with SIGSTOP for 40 s", inject=_killed_worker, lasts_s=40, works_on=True, may_lose=1
    ),
}  # fmt: skip
