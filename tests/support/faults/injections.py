"""Functions that bring a fault about under work, and return when it is over."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from cluster import wait_for
from scene import Scene

Inject = Callable[[Scene], None]
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'evtrack%'"


def dropped(seconds: float, *, incoming: bool = True, outgoing: bool = True) -> Inject:
    """Drop the packets between the server's host and all others."""

    def inject(scene: Scene) -> None:
        assert scene.server_host
        scene.server_host.drop(incoming=incoming, outgoing=outgoing)
        time.sleep(seconds)
        scene.server_host.heal()

    return inject


def one_host_dropped(seconds: float) -> Inject:
    """Drop the packets of the second host of workers."""

    def inject(scene: Scene) -> None:
        scene.hosts[1].drop()
        time.sleep(seconds)
        scene.hosts[1].heal()

    return inject


def frozen(seconds: float) -> Inject:
    """Stop all processes of the server; its kernel still answers."""

    def inject(scene: Scene) -> None:
        scene.cluster.freeze()
        time.sleep(seconds)
        scene.cluster.thaw()

    return inject


def away(seconds: float) -> Inject:
    """Shut the server down, and start it later."""

    def inject(scene: Scene) -> None:
        scene.cluster.stop("fast")
        time.sleep(seconds)
        scene.cluster.start()

    return inject


def restarts(times: int) -> Inject:
    """Kill the server and start it again, several times."""

    def inject(scene: Scene) -> None:
        for _ in range(times):
            scene.cluster.stop("immediate")
            scene.cluster.start()
            time.sleep(1)

    return inject


def killed_sessions(times: int) -> Inject:
    """Terminate all sessions of evtrack, once a second."""

    def inject(scene: Scene) -> None:
        with scene.admin() as admin:
            for _ in range(times):
                admin.execute(TERMINATE)
                time.sleep(1)

    return inject


def lossy(seconds: float, share: float) -> Inject:
    """Drop a share of the packets to and from the server, at random."""

    def inject(scene: Scene) -> None:
        assert scene.server_host
        scene.server_host.drop(share=share)
        time.sleep(seconds)
        scene.server_host.heal()

    return inject


def killed_backends(times: int) -> Inject:
    """Kill a session's process with SIGKILL, so that the server ends all sessions and recovers."""

    def inject(scene: Scene) -> None:
        for _ in range(times):
            with suppress(psycopg.Error), scene.admin() as admin:
                row = admin.execute(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'evtrack worker' LIMIT 1"
                ).fetchone()
                if row:
                    os.kill(row[0], signal.SIGKILL)
            time.sleep(2)

    return inject


def disk_full(seconds: float) -> Inject:
    """Fill the disk of the server."""

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


def notify_full(seconds: float) -> Inject:
    """Fill the queue of notifications, with a listener that never reads."""

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


def clock(*steps: tuple[float, float]) -> Inject:
    """Set the server's clock ahead of the real one, to several distances."""

    def inject(scene: Scene) -> None:
        assert scene.step
        for ahead, stays in steps:
            scene.step(ahead)
            time.sleep(stays)

    return inject


def clock_creeps_back(times: int, by: float, every: float) -> Inject:
    """Set the server's clock back in small steps."""

    def inject(scene: Scene) -> None:
        assert scene.step
        for number in range(1, times + 1):
            scene.step(-by * number)
            time.sleep(every)

    return inject


def failover(*, early: float = 0.0, lag_s: float = 0.0) -> Inject:
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


def unreachable_primary(seconds: float) -> Inject:
    """Drop all packets of the primary's host for good, and promote the standby after a while."""

    def inject(scene: Scene) -> None:
        assert scene.standby
        assert scene.server_host
        scene.server_host.drop()
        time.sleep(seconds)
        scene.standby.promote()
        scene.primary = scene.standby

    return inject


def stopped_worker(scene: Scene) -> None:
    """Stop a worker's own process for longer than its lease; its slots go on."""
    os.kill(scene.load.workers[0].pid, signal.SIGSTOP)
    time.sleep(40)
    os.kill(scene.load.workers[0].pid, signal.SIGCONT)
