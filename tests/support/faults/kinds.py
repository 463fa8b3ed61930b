"""The faults that are tried, each with what it needs and what it may rightly cost."""

import time
from dataclasses import dataclass, field
from typing import Any

import injections as by
import operator_faults
from injections import Inject


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


_NET = {"with_network": True}
_CLOCKED = {"own_clock": True}
_PAIR = {"with_standby": True}

FAULTS: dict[str, Fault] = {
    "none": Fault(about="nothing, for 5 s", inject=lambda _: time.sleep(5), lasts_s=5, works_on=True),
    "drop-10s": Fault(about="packets dropped both ways for 10 s", inject=by.dropped(10), lasts_s=10, scene=_NET),
    "drop-40s": Fault(about="packets dropped both ways for 40 s", inject=by.dropped(40), lasts_s=40, scene=_NET),
    "drop-120s": Fault(about="packets dropped both ways for 2 min", inject=by.dropped(120), lasts_s=120, scene=_NET),
    "drop-to-server": Fault(
        about="packets to the server dropped for 40 s", inject=by.dropped(40, outgoing=False), lasts_s=40, scene=_NET
    ),
    "drop-from-server": Fault(
        about="packets from the server dropped for 40 s", inject=by.dropped(40, incoming=False), lasts_s=40, scene=_NET
    ),
    "drop-one-host": Fault(
        about="packets of one of two hosts dropped for 60 s",
        inject=by.one_host_dropped(60),
        lasts_s=60,
        works_on=True,
        may_lose=1,
        scene=_NET,
    ),
    "frozen": Fault(about="server stopped with SIGSTOP for 35 s", inject=by.frozen(35), lasts_s=35),
    "away": Fault(about="server shut down for 40 s", inject=by.away(40), lasts_s=40),
    "restarts": Fault(about="ten restarts in a row, -m immediate", inject=by.restarts(10), lasts_s=15, works_on=True),
    "sessions": Fault(
        about="all sessions terminated, ten times", inject=by.killed_sessions(10), lasts_s=10, works_on=True
    ),
    "failover-sync": Fault(
        about="synchronous standby promoted after 5 s",
        inject=by.failover(early=5),
        lasts_s=8,
        scene={**_PAIR, "synchronous": True},
    ),
    "failover-async": Fault(
        about="asynchronous standby, 1 s behind, promoted after 5 s",
        inject=by.failover(early=5, lag_s=1),
        lasts_s=9,
        scene=_PAIR,
        works_on=True,
        companions=False,
    ),
    "read-only": Fault(
        about="server read-only for 5 s",
        inject=operator_faults.setting(5, default_transaction_read_only="on"),
        lasts_s=5,
    ),
    "failover-partition": Fault(
        about="the primary's host vanishes, its synchronous standby is promoted after 5 s",
        inject=by.unreachable_primary(5),
        lasts_s=8,
        scene={**_PAIR, **_NET, "synchronous": True},
    ),
    "disk-full": Fault(
        about="disk of the server full for 6 s",
        inject=by.disk_full(6),
        lasts_s=6,
        scene={"small_disk_mb": 400, "settings": {"max_wal_size": "64MB", "min_wal_size": "32MB"}},
    ),
    "notify-full": Fault(
        about="NOTIFY queue full for 15 s",
        inject=by.notify_full(15),
        lasts_s=20,
        works_on=True,
        scene={"settings": {"max_notify_queue_pages": "64"}},
    ),
    "connections": Fault(
        about="no connection free for 15 s",
        inject=operator_faults.no_connections(15),
        lasts_s=15,
        scene={"settings": {"max_connections": "40", "superuser_reserved_connections": "0"}},
    ),
    "disk-full-log-elsewhere": Fault(
        about="disk of the tables full for 6 s, the write-ahead log's is not",
        inject=by.disk_full(6),
        lasts_s=6,
        scene={"small_disk_mb": 120, "log_elsewhere": True},
    ),
    "lossy": Fault(
        about="every fourth packet dropped for 30 s", inject=by.lossy(30, 0.25), lasts_s=30, works_on=True, scene=_NET
    ),
    "timeouts": Fault(
        about="statement_timeout = 1 ms for 8 s",
        inject=operator_faults.setting(8, statement_timeout="1"),
        lasts_s=8,
        works_on=True,
    ),
    "serializable": Fault(
        about="transactions serializable by default for 10 s",
        inject=operator_faults.setting(10, default_transaction_isolation="serializable"),
        lasts_s=10,
        works_on=True,
    ),
    "refused": Fault(about="pg_hba.conf rejects everybody for 15 s", inject=operator_faults.refused(15), lasts_s=15),
    "no-login": Fault(
        about="the role must not log in for 15 s",
        inject=operator_faults.statements(15, "ALTER ROLE app NOLOGIN", "ALTER ROLE app LOGIN"),
        lasts_s=15,
    ),
    "renamed": Fault(
        about="the database has another name for 10 s",
        inject=operator_faults.statements(
            10, "ALTER DATABASE evtrack RENAME TO elsewhere", "ALTER DATABASE elsewhere RENAME TO evtrack"
        ),
        lasts_s=10,
    ),
    "no-rights": Fault(
        about="the schema belongs to another role for 10 s",
        inject=operator_faults.rights(10),
        lasts_s=10,
    ),
    "backends": Fault(
        about="a session's process killed, three times", inject=by.killed_backends(3), lasts_s=6, works_on=True
    ),
    "pooler": Fault(
        about="server away for 40 s behind a pooler", inject=by.away(40), lasts_s=40, scene={"with_pooler": True}
    ),
    "lock-batch": Fault(
        about="table batch locked for 30 s", inject=operator_faults.locked("LOCK TABLE evtrack.batch", 30), lasts_s=30
    ),
    "lock-event": Fault(
        about="table event locked for 30 s", inject=operator_faults.locked("LOCK TABLE evtrack.event", 30), lasts_s=30
    ),
    "lock-job": Fault(
        about="table job locked for 30 s", inject=operator_faults.locked("LOCK TABLE evtrack.job", 30), lasts_s=30
    ),
    "lock-worker": Fault(
        about="table worker locked for 35 s",
        inject=operator_faults.locked("LOCK TABLE evtrack.worker", 35),
        lasts_s=35,
        works_on=True,
    ),
    "lock-upkeep": Fault(
        about="table upkeep locked for 35 s",
        inject=operator_faults.locked("LOCK TABLE evtrack.upkeep", 35),
        lasts_s=35,
        works_on=True,
    ),
    "lock-job-row": Fault(
        about="rows of jobs locked for 30 s",
        inject=operator_faults.locked("SELECT 1 FROM evtrack.job FOR UPDATE", 30),
        lasts_s=30,
        works_on=True,
    ),
    "clock-back-30ms": Fault(
        about="server's clock back by 30 ms, 300 times",
        inject=by.clock_creeps_back(300, 0.03, 0.03),
        lasts_s=10,
        works_on=True,
        scene=_CLOCKED,
    ),
    "clock-back-1h": Fault(
        about="server's clock back by an hour", inject=by.clock((-3600, 15)), lasts_s=15, works_on=True, scene=_CLOCKED
    ),
    "clock-forward-1h": Fault(
        about="server's clock ahead by an hour", inject=by.clock((3600, 15)), lasts_s=15, works_on=True, scene=_CLOCKED
    ),
    "clock-both": Fault(
        about="server's clock +60 s, -60 s, +1 h, -1 h, 5 s each",
        inject=by.clock((60, 5), (0, 5), (3600, 5), (0, 5)),
        lasts_s=20,
        works_on=True,
        scene=_CLOCKED,
    ),
    "worker-stopped": Fault(
        about="one worker stopped with SIGSTOP for 40 s",
        inject=by.stopped_worker,
        lasts_s=40,
        works_on=True,
        may_lose=1,
    ),
}
