"""A submitter whose host vanishes is noticed by the server, and its job can be resumed elsewhere."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import network
from cluster import wait_for
from scene import scene

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SHOWN = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")


# EVTRACK_FAULTS_FULL=1 waits for the keep-alives that evtrack sets by itself.
@pytest.mark.skipif(not network.available(), reason="needs root, ip and iptables")
def test_a_submitter_that_vanishes_is_abandoned(tmp_path: Path) -> None:
    full = "EVTRACK_FAULTS_FULL" in os.environ
    with scene(with_network=True, keep=tmp_path / "logs") as made:
        quick = "" if full else " ".join(f"-c {name}=1" for name in SHOWN[:3]) + " -c tcp_user_timeout=2000"
        dsn = make_conninfo(made.dsn, options=quick)
        words = ("submit", "-", "--handler", "steady", "--batch-size", "1")
        submitter = made.load.process(dsn, *words, inside=made.hosts[0].inside(), stdin=subprocess.PIPE)
        assert submitter.stdin
        for number in range(20):
            submitter.stdin.write(f'{{"id": {number}}}\n'.encode())
            submitter.stdin.flush()
        with made.cluster.connect(dbname="evtrack") as admin:
            admin.execute("SET lock_timeout = 1000")

            def count(statement: str) -> int:
                row = admin.execute(statement.encode()).fetchone()
                assert row
                return int(row[0])

            assert wait_for(lambda: count("SELECT count(*) FROM evtrack.batch_status") > 10)
            made.hosts[0].drop()

            def can_be_resumed() -> bool:
                try:
                    count("SELECT count(*) FROM evtrack.reclaim(1)")
                except psycopg.Error as error:
                    if "still being submitted" in str(error):
                        return False
                    raise
                return True

            assert not can_be_resumed()
            assert wait_for(can_be_resumed, 35 if full else 10)
        submitter.kill()
        submitter.wait()
        submitter.stdin.close()
