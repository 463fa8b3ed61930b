"""Each way in which a process can end is recorded with its cause."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from client import Client
from evtrack.domain.log_names import HANDLER_OUTPUT, HANDLER_OUTPUT_SUPPRESSED
from evtrack.runtime.worker.slots.handler_output import LINES_A_SECOND
from evtrack.runtime.worker.slots.limits import SlotLimits
from polling import eventually
from workers import HANDLER_DIRECTORY, running_worker

pytestmark = [pytest.mark.integration, pytest.mark.crash]

MIB = 1 << 20


def submit(queue: Client, do: str, handler: str = "scripted", **policy: Any) -> int:
    policy = {"max_crashes": 1, **policy}
    item = json.dumps({"do": do, "s": 60})
    return int(queue.one("SELECT evtrack.enqueue(%s, %s, %s, policy => %s)", handler, [do], [item], json.dumps(policy)))


def dossier(queue: Client, job: int) -> dict[str, Any]:
    (row,) = queue.rows("SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'crashed'", job)
    return dict(row["data"])


EXPECTED: dict[str, tuple[str, str | None, int | None]] = {
    "abort": ("signal", "SIGABRT", None),
    "segv": ("signal", "SIGSEGV", None),
    "overflow": ("signal", "SIGSEGV", None),
    "_exit": ("exit_code", None, 7),
    "exit": ("exit_code", None, 3),
    "leak": ("memory_limit", "SIGTERM", None),
    "loop": ("timeout", "SIGTERM", None),
    "hang": ("stalled", "SIGTERM", None),
    "close": ("pipe_closed", None, None),
    "close and go on": ("pipe_closed", None, 71),
    "babble": ("protocol", None, None),
    "flood and die": ("signal", "SIGSEGV", None),
}
LIMITS: dict[str, dict[str, float]] = {
    "leak": {"max_rss_bytes": 200 * MIB},
    "loop": {"timeout_s": 0.7},
    "hang": {"stall_s": 0.5},
}


HAND = ("item_key", "ordinal")
DOSSIERS = "SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'crashed' AND version > 2 ORDER BY seq"


def test_each_crash_cause_is_identified(queue: Client, dsn: str) -> None:
    jobs = {do: submit(queue, do, **LIMITS.get(do, {})) for do in EXPECTED}
    last = max(jobs.values())
    with running_worker(dsn, slots=2):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.crash WHERE job_id <= %s", last) == len(jobs), 60)
    told = {do: dossier(queue, job) for do, job in jobs.items()}
    found = {do: (data["cause"], data.get("signal"), data.get("exit_code")) for do, data in told.items()}
    assert EXPECTED == found
    assert {do: (do, 1) for do in jobs} == {do: (data["item_key"], data["ordinal"]) for do, data in told.items()}
    for do, data in told.items():
        assert data["peak_rss_bytes"] > 5 * MIB, do
        assert data["run_s"] >= LIMITS.get(do, {}).get("timeout_s", 0), do
        assert {"cpu_s", "host", "pid"} <= set(data), do
        assert len(data.get("stderr", "")) <= 4_100, do
    assert told["leak"]["peak_rss_bytes"] > 200 * MIB
    assert told["loop"]["cpu_s"] > 0.01, "it has run, however little on a busy machine"
    for do, function in [("segv", "_end"), ("overflow", "<lambda>"), ("loop", "_loop"), ("abort", "scripted")]:
        assert f"in {function}" in told[do]["python_traceback"], do
    assert "Fatal Python error: Segmentation fault" in told["overflow"]["native_traceback"]
    assert told["flood and die"]["stderr"].strip().endswith("e" * 99), (
        "of 100 MB the end is kept, and the traceback apart"
    )


PROGRAM = """
import json, sys
import misbehaving_handlers
for line in sys.stdin:
    misbehaving_handlers.scripted(json.loads(line), None)
    print(1)
"""


@pytest.mark.parametrize(
    ("handler", "actions", "limits"),
    [
        ("scripted batch", ["segv", "_exit", "exit", "leak", "loop", "hang", "close"], LIMITS),
        # An interpreter takes its time to start, and is as silent as one that hangs.
        (
            "program",
            ["segv", "abort", "leak", "loop", "hang"],
            {**LIMITS, "loop": {"timeout_s": 3}, "hang": {"stall_s": 3}},
        ),
    ],
)
def test_the_cause_is_recorded_even_if_no_item_is_known(
    queue: Client, dsn: str, handler: str, actions: list[str], limits: dict[str, dict[str, float]]
) -> None:
    jobs = {}
    for do in actions:
        policy = json.dumps({"max_crashes": 1, **limits.get(do, {})})
        items = ["{}", json.dumps({"do": do})]
        jobs[do] = queue.one(
            "SELECT evtrack.enqueue(%s, '{well,ill}', %s, policy => %s, batch_size => 2)", handler, items, policy
        )
    commands = {
        "program": [sys.executable, "-P", "-c", f"import sys\nsys.path.insert(0, {HANDLER_DIRECTORY!r})\n{PROGRAM}"]
    }
    with running_worker(dsn, slots=2, commands=commands):
        eventually(lambda: all(queue.phase(job) == "finished" for job in jobs.values()), 90)
    for do, job in jobs.items():
        dossiers = [row["data"] for row in queue.rows(DOSSIERS, job)]
        whole, alone = dossiers[0], dossiers[-1]
        assert 2 <= len(dossiers) <= 4, "more only if other items ran in the slot before"
        assert alone.get("isolated", True), do
        for data in dossiers:
            assert EXPECTED[do] == (data["cause"], data.get("signal"), data.get("exit_code")), do
            assert data["peak_rss_bytes"] > 5 * MIB, do
            assert {"cpu_s", "host", "pid", "run_s"} <= set(data), do
        assert (None, None, "ill", 2) == (*map(whole.get, HAND), *map(alone.get, HAND)), do
        fates = queue.rows("SELECT item_key, status::text FROM evtrack.item_status WHERE job_id = %s", job)
        assert {"well": "completed", "ill": "crashed"} == {row["item_key"]: row["status"] for row in fates}, do


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ("scripted", "fork and return"),
        ("scripted", "fork and raise"),
        ("scripted", "fork and exit"),
        # What returns within the function over a batch goes on there: only the function knows.
        ("scripted batch", "fork and raise"),
        ("scripted batch", "fork and exit"),
    ],
)
def test_a_forked_child_that_returns_reports_nothing_and_runs_nothing(
    queue: Client, dsn: str, handler: str, action: str, tmp_path: Path
) -> None:
    trace = str(tmp_path / "trace")
    items = [json.dumps({"do": do, "trace": trace, "return": do}) for do in ("", action, "", "", "")]
    job = queue.one(
        "SELECT evtrack.enqueue(%s, '{a,b,c,d,e}', %s, policy => %s, batch_size => 3)",
        handler,
        items,
        json.dumps({"max_errors": 1, "max_crashes": 1}),
    )
    with running_worker(dsn, slots=1, until_job=job) as one:
        one.join()
    assert ["completed"] * 2 == [
        row["status"] for row in queue.rows("SELECT status::text FROM evtrack.batch WHERE job_id = %s", job)
    ]
    runs = [line.split() for line in Path(trace).read_text().splitlines()]
    assert list("abcde") == [run[0] for run in runs], "no item runs twice"
    assert 1 == len({run[-1] for run in runs}), "the slot lives on"


def test_100_mb_of_stderr_neither_crash_the_slot_nor_flood_the_log(queue: Client, dsn: str) -> None:
    job = submit(queue, "flood")
    with capture_logs() as logs, running_worker(dsn, until_job=job) as one:
        one.join()
    assert "completed" == queue.one("SELECT status::text FROM evtrack.batch WHERE job_id = %s", job)
    shown = [entry for entry in logs if entry["event"] == HANDLER_OUTPUT]
    suppressed = [entry["lines"] for entry in logs if entry["event"] == HANDLER_OUTPUT_SUPPRESSED]
    assert 1_000_000 == len(shown) + sum(suppressed)
    assert len(shown) <= LINES_A_SECOND * (len(suppressed) + 1)


def test_a_kill_from_outside_is_a_signal_of_unknown_cause(queue: Client, dsn: str) -> None:
    job = submit(queue, "hang")
    with running_worker(dsn, slots=1, until_job=job) as one:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == 1)
        slot = eventually(lambda: next((slot for slot in one.worker._slots if slot.held and slot.page.seq), None))
        os.kill(slot.pid, signal.SIGKILL)
        one.join()
    data = dossier(queue, job)
    assert ("signal", "SIGKILL", slot.pid) == (data["cause"], data["signal"], data["pid"])
    assert data["why"].startswith("SIGKILL, cause unknown")


def test_a_program_over_its_limit_is_killed_with_its_children(queue: Client, dsn: str) -> None:
    marks = "sleep 61.5"
    job = submit(queue, "x", handler="deaf", timeout_s=0.5)
    # A shell may take a second to set its trap while others compute.
    other = submit(queue, "x", handler="obedient", timeout_s=2)
    third = submit(queue, "x", handler="leaver", timeout_s=0.5)
    commands = {
        # It ends when it is asked to; what it leaves behind holds its pipes, and is deaf.
        "leaver": ["sh", "-c", f"sh -c 'trap \"\" TERM HUP; {marks}; {marks}' & trap 'exit 3' TERM; wait"],
        "deaf": ["sh", "-c", f"trap '' TERM; {marks} & {marks} & wait; wait; sleep 61.5"],
        "obedient": ["sh", "-c", "trap 'echo leaving >&2; exit 3' TERM; while :; do sleep 0.05; done"],
    }
    with running_worker(dsn, slots=2, commands=commands):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.crash") == 3, 20)
        eventually(lambda: not _processes("61.5"))
    data = dossier(queue, job)
    assert ("timeout", "x", 1) == (data["cause"], data["item_key"], data["ordinal"])
    assert data["run_s"] < 5, "SIGTERM, and after a bounded grace SIGKILL"
    data = dossier(queue, third)
    assert ("timeout", True) == (data["cause"], data["run_s"] < 5)
    data = dossier(queue, other)
    assert ("timeout", True) == (data["cause"], "leaving" in data["stderr"]), "it was asked, and ended by itself"
    assert data["run_s"] < 4


def test_a_long_running_batch_is_not_crashed(queue: Client, dsn: str) -> None:
    item = json.dumps({"do": "beat", "s": 1.5})
    job = queue.one("SELECT evtrack.enqueue('scripted', '{k}', %s)", [item])
    with running_worker(dsn, limits=SlotLimits(stall_s=0.4), until_job=job) as one:
        one.join()
    assert "completed" == queue.one("SELECT status::text FROM evtrack.batch WHERE job_id = %s", job)
    assert [] == queue.rows("SELECT * FROM evtrack.crash")


def _processes(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", word.encode()]:
                found.append(int(folder.name))
    return found
