"""The whole table of docs/performance.md: evtrack beside its peers and raw PostgreSQL, interleaved, on one server.

Each round goes through all runs, and figures are medians of the rounds, with their range. Each run checks that the work
was done. The table goes to stdout, progress to stderr, and table and figures to files.
"""

import argparse
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from support import harness, peer_runs
from support.commands import BENCH
from support.row import Run
from table import facts, publish
from table.programs import PEERS, ProgramFailed, interpreter, run_program
from table.results import RATE, Results, key_of
from table.rows import needed, rows

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "max_connections": "1000"}
"""Of the server: room for the connections of 200 workers, and no checkpoint in the middle of a run."""

_FROM = "make the tables of performance.json files again; where several have a figure, that of the first counts"
_EPILOG = """exit codes: 0 all was measured and checked; 1 some was not; 2 wrong usage; 130 interrupted"""


@dataclass(frozen=True)
class Step:
    """One run in one round.

    Args:
        row: Its row.
        run: The run.
        number: The round.
        checkout: "here", or "against" for the other checkout.
    """

    row: str
    run: Run
    number: int
    checkout: str

    @property
    def key(self) -> str:
        """The key of its figures."""
        return key_of(self.row, self.run, self.checkout)


def steps(chosen: list[str], peers: list[str], *, rounds: int, against: bool, smoke: bool) -> list[Step]:
    """Return all steps in their order; the two checkouts take turns in who is first."""
    found: list[Step] = []
    for number in range(rounds):
        checkouts = ["against", "here"] if against else ["here"]
        if number % 2:
            checkouts.reverse()
        for row, runs in needed(chosen).items():
            for run in runs:
                if (run.slow and number) or (run.by == "peer" and run.peer not in peers):
                    continue
                if smoke and run.smoke is None:
                    continue
                turns = checkouts if run.by == "evtrack" else ["here"]
                found += [Step(row, run, number, checkout) for checkout in turns]
    return found


class Session:
    """Goes through the steps, and says how far it is.

    Args:
        planned: The steps.
        against: The other checkout.
        smoke: Whether sizes are tiny.
    """

    def __init__(self, planned: list[Step], against: Path | None, *, smoke: bool) -> None:
        self.results = Results()
        self._planned, self._against, self._smoke = planned, against, smoke
        self._rounds = 1 + max(step.number for step in planned)
        self._took_s: dict[str, float] = {}

    def left_s(self, done: int = 0) -> float:
        """Return about how many seconds the steps after the first ones take."""
        slower = 1.0
        if self._took_s:
            estimates = {step.key: step.run.seconds for step in self._planned}
            slower = sum(self._took_s.values()) / sum(estimates[key] for key in self._took_s)
        return sum(
            self._took_s.get(step.key, slower * step.run.seconds)
            for step in self._planned[done:]
            if not self._is_beaten(step)
        )

    def go(self, server: str) -> None:
        """Run all steps; what fails is noted, and the others go on."""
        for done, step in enumerate(self._planned):
            if self._is_beaten(step):
                continue
            left = self.left_s(done)
            where = f"round {step.number + 1}/{self._rounds}, {step.key}"
            print(f"[{_minutes(left)} left] {where} ...", file=sys.stderr, end=" ", flush=True)
            begun = time.monotonic()
            try:
                python = interpreter(step.run, self._against if step.checkout == "against" else None)
                figures = run_program(server, step.row, step.run, python=python, smoke=self._smoke)
            except ProgramFailed as failure:
                self.results.failures[step.key] = str(failure)
                print(f"FAILED: {failure}", file=sys.stderr, flush=True)
            else:
                self.results.add(step.key, step.number, figures)
                shown = ", ".join(f"{name} {value:,.5g}" for name, value in figures.items())
                print(shown, file=sys.stderr, flush=True)
            self._took_s[step.key] = time.monotonic() - begun

    def _is_beaten(self, step: Step) -> bool:
        """Return whether another run of the group was better in the first round; before that, one of them will be."""
        if not step.number or not step.run.group:
            return False
        group = [each.run for each in self._planned if each.row == step.row and each.run.group == step.run.group]
        best = self.results.best(step.row, group, step.checkout, RATE, lowest=False)
        return step.key != (best or key_of(step.row, group[0], step.checkout))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/bench all", description=__doc__, epilog=_EPILOG)
    add = parser.add_argument
    add("--rows", default="", metavar="NAME,...", help="only these rows (default: all; --list shows them)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds (default: %(default)s)")
    add("--against", type=Path, metavar="DIR", help="also measure this checkout, which has a .venv: it is 'before'")
    known, always = ", ".join(peer_runs.KNOWN), ",".join(peer_runs.ALWAYS)
    add("--peers", default=always, metavar="NAME,...", help=f"peers, or none (default: %(default)s; known: {known})")
    add("--out", type=Path, metavar="DIR", help="where performance.md and .json go (default: build/bench)")
    add("--docs", action="store_true", help="also put the tables into docs/performance.md and the README")
    add("--list", action="store_true", help="list the rows and how long all takes, and measure nothing")
    add("--from", dest="sources", type=Path, nargs="+", metavar="FILE", help=_FROM)
    add("--smoke", action="store_true", help="tiny sizes: only check that it works")
    given = parser.parse_args()
    given.chosen = [name for name in given.rows.split(",") if name] or list(rows())
    given.peers = [name for name in given.peers.split(",") if name not in ("", "none")]
    for what, names, known in (("row", given.chosen, rows()), ("peer", given.peers, peer_runs.KNOWN)):
        for name in names:
            if name not in known:
                parser.error(f"no such {what}: {name} (there are: {', '.join(known)})")
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    if given.against:
        given.against = given.against.resolve()
        if not (given.against / ".venv/bin/python").exists():
            parser.error(f"no .venv in {given.against}: run its bin/setup first")
    if given.docs and given.rows and not given.sources:
        parser.error("--docs needs all rows; --from FILE FILE ... --docs puts runs of some rows together")
    if given.peers and not PEERS.exists():
        parser.error("the peers are not installed: run bin/setup bench, or give --peers none")
    return given


def main() -> int:
    """Measure, and write the tables."""
    given = _arguments()
    out = given.out or BENCH.parent / "build/bench"
    if given.sources:
        return publish.again(given.sources, out, docs=given.docs)
    planned = steps(given.chosen, given.peers, rounds=given.rounds, against=bool(given.against), smoke=given.smoke)
    session = Session(planned, given.against, smoke=given.smoke)
    length = f"{len(planned)} runs, about {_minutes(session.left_s())}"
    if given.list:
        for name, row in rows().items():
            print(f"{name:<12} {'; '.join(line.title for line in row.lines) or 'what others are compared with'}")
        print(length)
        return 0
    print(length, file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    interrupted = False
    try:
        with harness.server(SETTINGS) as server:
            known = facts.facts(server, given.against, given.peers)
            try:
                session.go(server)
            except KeyboardInterrupt:
                interrupted = True
    except KeyboardInterrupt:
        return 130
    if session.results.figures:
        # What was measured until then may have taken long.
        publish.write(session.results, known, out, rounds=given.rounds, docs=given.docs and not interrupted)
    return 130 if interrupted else 1 if session.results.failures else 0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"  # noqa: PLR2004  # a minute and a half


if __name__ == "__main__":
    sys.exit(main())
