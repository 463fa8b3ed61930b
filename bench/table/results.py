"""What was measured, by run and round, and the medians, ranges and ratios of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from support.row import Beside, Line, Run
from table.rows import find

RATE = "jobs_s"
"""The figure by which the best of a group of runs is known."""


@dataclass(frozen=True)
class Spread:
    """A median and its range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Summarize values; None if there are none."""
        listed = sorted(values)
        return cls(median(listed), listed[0], listed[-1]) if listed else None


@dataclass
class Results:
    """The figures of all runs.

    Args:
        figures: By the key of a run and a checkout, then by the number of the round.
        failures: What did not end well, by the key.
    """

    figures: dict[str, dict[int, Mapping[str, float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, number: int, figures: Mapping[str, float]) -> None:
        """Note the figures of a run in a round."""
        self.figures.setdefault(key, {})[number] = figures

    def values(self, key: str, figure: str) -> dict[int, float]:
        """Return a figure of a run in each round that has it."""
        return {number: figures[figure] for number, figures in self.figures.get(key, {}).items() if figure in figures}

    def spread(self, key: str, figure: str) -> Spread | None:
        """Return the median and range of a figure."""
        return Spread.of(self.values(key, figure).values())

    def best(self, row: str, runs: Iterable[Run], checkout: str, figure: str, *, lowest: bool) -> str | None:
        """Return the key of the run whose rate, or else whose figure, is best; None if none was measured."""
        ranked: list[tuple[float, str]] = []
        for run in runs:
            key = key_of(row, run, checkout)
            rate, own = self.spread(key, RATE), self.spread(key, figure)
            if own is not None:
                ranked.append((rate.median if rate else -own.median if lowest else own.median, key))
        return max(ranked)[1] if ranked else None

    def own(self, row: str, line: Line, checkout: str) -> str | None:
        """Return the key of evtrack's run of a line; None if it was not measured."""
        return self.best(row, (run for _, run in find(row, line.run)), checkout, line.figure, lowest=line.at_most)

    def baseline(self, row: str, line: Line, beside: Beside, checkout: str) -> str | None:
        """Return the key of what a line is compared with; None if it was not measured."""
        found = find(row, beside.run)
        home = found[0][0] if found else row
        return self.best(home, (run for _, run in found), checkout, beside.figure or line.figure, lowest=line.at_most)

    def ratio(self, row: str, line: Line, beside: Beside, checkout: str) -> Spread | None:
        """Return evtrack's figure divided by the other one: round by round, as both have seen the same machine."""
        other = self.baseline(row, line, beside, checkout)
        own = self.own(row, line, checkout)
        if other is None or own is None:
            return None
        ours = self.values(own, line.figure)
        return self._divided(ours, self.values(other, beside.figure or line.figure))

    def change(self, row: str, line: Line) -> Spread | None:
        """Return the figure of this checkout divided by that of the other."""
        keys = [self.own(row, line, checkout) for checkout in ("here", "against")]
        ours, before = (self.values(key, line.figure) if key else {} for key in keys)
        return self._divided(ours, before)

    @staticmethod
    def _divided(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
        both = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
        if both:
            return Spread.of(both)
        if not ours or not theirs or not median(theirs.values()):
            return None
        return Spread.of([median(ours.values()) / median(theirs.values())])


def key_of(row: str, run: Run, checkout: str) -> str:
    """Return the key of a run: with the checkout, if it is evtrack's."""
    return f"{row}/{run.name}@{checkout}" if run.by == "evtrack" else f"{row}/{run.name}"
