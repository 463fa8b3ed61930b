"""Faults that operators cause: settings, rights, rules, locks, and too many connections."""

import time
from contextlib import ExitStack

import psycopg

from injections import TERMINATE, Inject
from scene import Scene

_TERMINATE_ALL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type LIKE 'client%'"""


def setting(seconds: float, **settings: str) -> Inject:
    """Change settings of the server for a while, in sessions that are there and in new ones."""

    def inject(scene: Scene) -> None:
        scene.cluster.set(**settings)
        time.sleep(seconds)
        scene.cluster.set(**dict.fromkeys(settings))

    return inject


def refused(seconds: float) -> Inject:
    """Terminate all sessions, and reject new ones by the server's own rules."""

    def inject(scene: Scene) -> None:
        scene.cluster.reject(everybody=True)
        with scene.admin() as admin:
            admin.execute(TERMINATE)
            time.sleep(seconds)
        scene.cluster.reject(everybody=False)

    return inject


def statements(seconds: float, before: str, after: str) -> Inject:
    """Run a statement as the superuser, terminate all sessions, and run another statement later."""

    def inject(scene: Scene) -> None:
        with scene.cluster.connect() as admin:
            deadline = time.monotonic() + 20
            while True:
                admin.execute(_TERMINATE_ALL)
                try:
                    admin.execute(before.encode())
                    break
                except psycopg.errors.ObjectInUse:
                    assert time.monotonic() < deadline
            admin.execute(_TERMINATE_ALL)
            time.sleep(seconds)
            admin.execute(after.encode())

    return inject


def rights(seconds: float) -> Inject:
    """Take the rights in evtrack's schema from the role that works, as a mistake with GRANT does."""

    def inject(scene: Scene) -> None:
        with scene.admin() as admin:
            admin.execute("ALTER SCHEMA evtrack OWNER TO postgres")
            admin.execute("REVOKE ALL ON SCHEMA evtrack FROM app")
            time.sleep(seconds)
            admin.execute("ALTER SCHEMA evtrack OWNER TO app")

    return inject


def no_connections(seconds: float) -> Inject:
    """Terminate all sessions, and take every free connection."""

    def inject(scene: Scene) -> None:
        with ExitStack() as stack, scene.admin() as admin:
            # Whoever asks first when a connection is free has it: the test asks all the time.
            deadline = time.monotonic() + seconds
            admin.execute(TERMINATE)
            while time.monotonic() < deadline:
                try:
                    stack.enter_context(scene.admin())
                except psycopg.Error:
                    admin.execute(TERMINATE)
                    time.sleep(0.02)

    return inject


def locked(statement: str, seconds: float) -> Inject:
    """Hold the locks of a statement."""

    def inject(scene: Scene) -> None:
        with scene.admin() as holder, holder.transaction():
            holder.execute(statement.encode())
            time.sleep(seconds)

    return inject
