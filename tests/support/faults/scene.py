"""Where a fault is tried: a server, perhaps a standby and hosts of their own, and the work that goes on."""

import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from cluster import Cluster
from load import Load
from network import Host, Network, network, run
from pgbouncer import pooled

_CLOCK = Path(__file__).parents[1] / "clock_step.c"


@dataclass
class Scene:
    """What a fault can reach.

    Args:
        folder: A directory for everything.
        cluster: The server; after a failover still the first one.
        load: The work.
        dsn: The connection string of workers.
        standby: The server that follows, if there is one.
        hosts: The hosts of the workers, if they have a network.
        server_host: The host of the server, if it has a network.
        primary: The server that takes writes now.
        step: Moves the server's clock, if it has one of its own.
        disk: The directory of the server's small disk, if it has one.
    """

    folder: Path
    cluster: Cluster
    load: Load
    dsn: str
    primary: Cluster
    standby: Cluster | None = None
    hosts: list[Host] = field(default_factory=list)
    server_host: Host | None = None
    step: Callable[[float], None] | None = None
    disk: Path | None = None

    def admin(self, **more: Any) -> psycopg.Connection[Any]:
        """Connect to evtrack's database through the Unix socket."""
        return self.primary.connect(dbname="evtrack", **more)


def free_port() -> int:
    """Return a TCP port of the loopback that is free now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@contextmanager
def scene(
    *,
    with_network: bool = False,
    with_standby: bool = False,
    synchronous: bool = False,
    own_clock: bool = False,
    with_pooler: bool = False,
    small_disk_mb: int = 0,
    log_elsewhere: bool = False,
    settings: Mapping[str, str] | None = None,
    evtrack: Sequence[str] = (sys.executable, "-m", "evtrack"),
    keep: Path | None = None,
) -> Iterator[Scene]:
    """Build it, migrated and without work yet, and remove it when the block ends.

    Args:
        with_network: Whether the server and two hosts of workers have network namespaces of their own.
        with_standby: Whether a standby follows; the connection string names both.
        synchronous: Whether commits wait for the standby.
        own_clock: Whether the server's clock can be moved.
        with_pooler: Whether a pooler in transaction mode stands in front of the server.
        small_disk_mb: The size of the disk that the server's tables are on; 0 for no disk of its own.
        log_elsewhere: Whether the server's write-ahead log is on another disk.
        settings: More of the server's settings.
        evtrack: The words that run evtrack.
        keep: Where to copy logs to.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="evtrack-faults-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        wires = stack.enter_context(network()) if with_network else None
        server_host, hosts, addresses = _hosts(wires)
        env, step = _clock(folder) if own_clock else ({}, None)
        wanted = dict(settings or {})
        if synchronous:
            wanted["synchronous_standby_names"] = "standby"
        base = folder / "one"
        disk = None
        if small_disk_mb:
            base.mkdir()
            _mount(stack, base, small_disk_mb)
            disk = base
        cluster = Cluster(
            base,
            port=5432 if wires else free_port(),
            addresses=",".join(["127.0.0.1", *addresses]),
            inside=server_host.inside() if server_host else (),
            settings={k: v for k, v in wanted.items() if k != "synchronous_standby_names"},
            env=env,
            log_directory=folder / "wal" if log_elsewhere else None,
        )
        if log_elsewhere:
            cluster.own(folder / "wal")
        stack.callback(cluster.remove)
        cluster.create()
        cluster.start()
        with cluster.connect() as conn:
            # No superuser: the limits of connections and of rights hold for it too.
            conn.execute("CREATE ROLE app LOGIN CREATEROLE")
            conn.execute("CREATE DATABASE evtrack OWNER app")
        standby, other_address = None, ""
        if with_standby:
            standby, other_address = _standby(stack, folder / "two", cluster, wires, hosts)
        if synchronous:
            cluster.set(synchronous_standby_names="standby")
        host = addresses[0] if addresses else "127.0.0.1"
        dsn = cluster.dsn(host, dbname="evtrack", user="app")
        if standby:
            ports = f"{cluster.port},{standby.port}"
            both = f"{host},{other_address or host}"
            dsn = make_conninfo("", host=both, port=ports, user="app", dbname="evtrack")
        if with_pooler:
            dsn = stack.enter_context(pooled(dsn, sessions=20))
        made = Scene(folder, cluster, None, dsn, cluster, standby, hosts, server_host, step, disk)  # type: ignore[arg-type]
        made.load = Load(folder / "load", lambda: made.primary.dsn(dbname="evtrack"), evtrack)
        owner = cluster.dsn(dbname="evtrack", user="app")
        if keep:
            stack.callback(_copy, made.load.folder, made, keep)
        stack.callback(made.load.kill)
        assert made.load.process(owner, "migrate", "up").wait(120) == 0, made.load.said("migrate")
        yield made


def _hosts(wires: Network | None) -> tuple[Host | None, list[Host], list[str]]:
    """Make the server's host and two of workers, whose connection strings differ: each has a wire of its own."""
    if wires is None:
        return None, [], []
    server = wires.host()
    hosts, addresses = [], []
    for _ in range(2):
        host = wires.host()
        near, _far = wires.join(server, host)
        hosts.append(host)
        addresses.append(near)
    # Both hosts know the server by one address.
    run(*hosts[1].inside("ip", "route", "add", addresses[0], "via", addresses[1]))
    return server, hosts, addresses


def _standby(
    stack: ExitStack, base: Path, primary: Cluster, wires: Network | None, hosts: list[Host]
) -> tuple[Cluster, str]:
    host, addresses = _other_host(wires, hosts) if wires else (None, [])
    standby = Cluster(
        base,
        port=5432 if wires else free_port(),
        addresses=",".join(["127.0.0.1", *addresses]),
        inside=host.inside() if host else (),
    )
    stack.callback(standby.remove)
    standby.copy_of(primary, "standby")
    standby.start()
    return standby, addresses[0] if addresses else ""


def _other_host(wires: Network, hosts: list[Host]) -> tuple[Host, list[str]]:
    """Make the standby's host, which both hosts of workers know by its first address."""
    other = wires.host()
    addresses = [wires.join(other, host)[0] for host in hosts]
    run(*hosts[1].inside("ip", "route", "add", addresses[0], "via", addresses[1]))
    return other, addresses


def _mount(stack: ExitStack, base: Path, megabytes: int) -> None:
    run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "evtrack", str(base))
    stack.callback(run, "umount", "-l", str(base), check=False)


def _clock(folder: Path) -> tuple[dict[str, str], Callable[[float], None]]:
    library, clock = folder / "clock_step.so", folder / "clock"
    run("cc", "-shared", "-fPIC", "-o", str(library), str(_CLOCK), "-ldl")
    clock.write_bytes(struct.pack("d", 0.0))

    def step(seconds: float) -> None:
        with clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    return {"LD_PRELOAD": str(library), "CLOCK_STEP_FILE": str(clock)}, step


def _copy(load: Path, made: Scene, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        load, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("ran.*", "once.*", "*.jsonl", "state")
    )
    shutil.copy(made.cluster.log, keep / "server.log")
    if made.standby:
        shutil.copy(made.standby.log, keep / "standby.log")
