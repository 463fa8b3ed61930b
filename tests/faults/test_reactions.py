"""What a worker does for its slots while the server does nothing: it keeps limits and reacts to signals."""

import json
import signal
from pathlib import Path

import psutil
import pytest

from cluster import wait_for
from scene import scene

pytestmark = [pytest.mark.integration, pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

# A loaded machine schedules late; a supervisor that waits for the server would wait for 5 s and more.
PROMPT_S = 1.0
LIMIT_S = 1.5


def test_limits_deaths_and_signals_are_served_while_the_server_is_frozen(tmp_path: Path) -> None:
    with scene(keep=tmp_path / "logs") as made:
        load = made.load
        owner = made.cluster.dsn(dbname="evtrack", user="app")
        load.submit(owner, 6, "--batch-size", "1", "--timeout", str(LIMIT_S), do="wait")
        worker = load.work(made.dsn, "--grace", "1")
        assert wait_for(lambda: len(list(load.folder.glob("ran.*"))) == 2, every_s=0.01), load.said("work")
        made.cluster.freeze()
        slots = [int(trace.suffix[1:]) for trace in load.folder.glob("ran.*")]
        assert wait_for(lambda: not any(map(_runs, slots)), LIMIT_S + PROMPT_S, every_s=0.01), "the limit is not kept"
        assert wait_for(lambda: len(_slots(worker.pid)) >= 2, PROMPT_S), "dead slots are not replaced"
        worker.send_signal(signal.SIGTERM)
        log = load.folder / "work1.log"
        assert wait_for(lambda: "worker_stopping" in log.read_text(), PROMPT_S, every_s=0.01), "SIGTERM is not heard"
        # The grace of a second, ten seconds to report, and what a loaded machine adds.
        worker.wait(20)
        made.cluster.thaw()
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        assert not {"outcome_dropped", "results_rejected"} & set(events), events
        # What it could not report is left to the others.
        load.watch(made.dsn, "--lose-grace", "1")
        running = "SELECT count(*) FROM evtrack.batch WHERE status = 'running'"
        left = wait_for(lambda: load.one(running) == 0, 20)
        assert left, (load.said("watch"), load.one("SELECT json_agg(w)::text FROM evtrack.worker w"))


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _slots(worker: int) -> list[psutil.Process]:
    return [slot for server in psutil.Process(worker).children() for slot in server.children()]
