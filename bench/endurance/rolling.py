"""A rolling deployment: workers of another evtrack go on while the schema is migrated, and beside workers of this one.

Both kinds work on the same jobs, of which some items fail once and some kill their process; one worker of each kind is
killed. At the end everything must be done, only the items that kill their process may be blamed, and the log must
verify. Prints what happened, and which errors and warnings the other evtrack's processes logged.

Usage: rolling.py [EVTRACK]   (the other evtrack's program, as /path/to/.venv/bin/evtrack; default: this one)
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from support import database, harness

from evtrack.storage.connection.connect import Connection, connect

_ITEMS = harness.sized(3000, smoke=200)
_EVERY_FAILS, _POISON = 40, frozenset({17, 120})
_HERE = str(Path(sys.executable).parent / "evtrack")
_HANDLER = f"""
import os, signal, time
import evtrack

@evtrack.handler("rolling")
def rolling(item, ctx):
    time.sleep(0.01)
    if item["n"] in {set(_POISON)}:
        os.kill(os.getpid(), signal.SIGSEGV)
    if item["n"] % {_EVERY_FAILS} == 0 and ctx.attempt == 1:
        raise ValueError("not yet")
    return item["n"]
"""


class Program:
    """A running evtrack, with its log.

    Args:
        words: The command.
        directory: Where it runs and logs.
        env: Its environment.
    """

    def __init__(self, *words: str, directory: Path, env: dict[str, str]) -> None:
        self.name = " ".join(words[1:2])
        self._log = directory / f"{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                [*words, "--log-format", "json"], cwd=directory, env=env, stdout=subprocess.DEVNULL, stderr=log
            )

    def troubles(self) -> Counter[str]:
        """Count its errors and warnings by name."""
        found: Counter[str] = Counter()
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"level": "error", "event": f"not JSON: {line[:80]}"}
            if entry["level"] in {"warning", "error", "critical"}:
                found[f"{entry['event']} {entry.get('error', '')}".strip()[:100]] += 1
        return found

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def run(*words: str, directory: Path, env: dict[str, str]) -> str:
    """Run a command to its end, and return what it printed."""
    done = subprocess.run(  # noqa: S603  # our own program
        words, cwd=directory, env=env, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (words, done.returncode, done.stdout[-500:], done.stderr[-2000:])
    return done.stdout


def until(conn: Connection, condition: str) -> None:
    """Wait until a condition on `job_progress` holds."""
    deadline = time.monotonic() + 300
    while conn.execute(f"SELECT {condition} FROM evtrack.job_progress".encode()).fetchone() != (True,):  # noqa: S608  our own words
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def rolled(dsn: str, other: str, directory: Path, stack: ExitStack) -> list[str]:
    """Do it all, and return what is to be printed."""
    env = {**os.environ, "EVTRACK_DSN": dsn, "EVTRACK_STATE_DIR": str(directory / "state")}
    env.pop("EVTRACK_BENCH_DSN", None)
    (directory / "rolling_handlers.py").write_text(_HANDLER)
    (directory / "items.jsonl").write_text("".join(f'{{"id": "k{n}", "n": {n}}}\n' for n in range(_ITEMS)))

    def start(program: str, *words: str) -> Program:
        started = Program(program, *words, directory=directory, env=env)
        stack.callback(lambda: started.process.poll() is None and started.process.kill())
        return started

    def worker(program: str) -> Program:
        return start(program, "work", "--import", "rolling_handlers", "--slots", "2")

    def submit(program: str) -> None:
        run(
            program, "submit", "items.jsonl", "--handler", "rolling", "--key", "id", "--batch-size", "5",
            "--max-errors", "3", "--backoff", "0.1", directory=directory, env=env,
        )  # fmt: skip

    run(other, "migrate", "up", directory=directory, env=env)
    old = [worker(other), worker(other), start(other, "watch")]
    submit(other)
    with connect(dsn, purpose="bench") as conn:
        until(conn, f"sum(done) > {_ITEMS // 10}")
        begun = time.monotonic()
        run(_HERE, "migrate", "up", directory=directory, env=env)
        migrated_s = time.monotonic() - begun
        submit(other)
        until(conn, f"sum(done) > {_ITEMS // 3}")
        new = [worker(_HERE), worker(_HERE), start(_HERE, "watch")]
        submit(_HERE)
        until(conn, f"sum(done) > {_ITEMS}")
        for killed in (old.pop(0), new.pop(0)):
            killed.process.kill()
            killed.process.wait(10)
        until(conn, f"sum(done) > 2 * {_ITEMS}")
        codes = {f"other {program.name}": program.stop() for program in old}
        until(conn, "bool_and(phase = 'finished')")
        codes |= {f"this {program.name}": program.stop() for program in new}
        outcomes = conn.execute(
            "SELECT sum(done)::int, sum(failed)::int, sum(crashed)::int FROM evtrack.job_progress"
        ).fetchone()
        blamed = conn.execute(
            "SELECT count(*)::int, count(DISTINCT item_key)::int FROM evtrack.item_status WHERE status = 'crashed'"
        ).fetchone()
        versions = conn.execute(
            "SELECT string_agg(format('%s: %s', version, n), ', ') FROM (SELECT version, count(*) AS n"
            " FROM evtrack.worker GROUP BY 1) v"
        ).fetchone()
    verified = run(_HERE, "verify", directory=directory, env=env).strip()
    expected = (3 * (_ITEMS - len(_POISON)), 0, 3 * len(_POISON))
    assert outcomes == expected, (outcomes, expected)
    assert blamed == (3 * len(_POISON), len(_POISON)), blamed
    assert set(codes.values()) == {0}, codes
    troubles = sum((program.troubles() for program in old), Counter())
    return [
        f"migrated under work in {migrated_s:.1f} s; workers by version: {versions and versions[0]}",
        f"done, failed, crashed: {outcomes}; exit codes: {codes}; {verified}",
        *(f"the other evtrack logged {number} times: {what}" for what, number in troubles.most_common()),
    ]


def main(arguments: list[str]) -> None:
    """Run it."""
    other = str(Path(arguments[0]).absolute()) if arguments else _HERE
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evtrack-rolling-")))
        dsn = stack.enter_context(harness.server())
        print("\n".join(rolled(database.create(dsn, "rolling", migrate=False), other, directory, stack)))


if __name__ == "__main__":
    main(sys.argv[1:])
