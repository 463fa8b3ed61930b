"""The table in Markdown, for all and, in five lines, for the README."""

from collections.abc import Iterable, Iterator
from typing import Any

from support.row import Beside, Line
from table.results import Results, Spread
from table.rows import rows

_HEAD = 2
"""The lines of a table's head."""


def markdown(results: Results, facts: dict[str, Any], *, rounds: int, against: bool) -> str:
    """Return the table, with what it was measured on above it and what failed below it.

    Args:
        results: What was measured.
        facts: The machine, versions and settings.
        rounds: How many rounds.
        against: Whether two checkouts were measured.
    """
    ours = ["before", "after", "after / before"] if against else ["evtrack"]
    ratios = ["ratio before", "ratio after"] if against else ["ratio"]
    head = ["figure", *ours, "beside", *ratios, "target", "met"]
    lines = [_conditions(facts, rounds), "", _row(head), _row(["---"] * len(head))]
    lines += [_row(cells) for cells in _table(results, against=against)]
    if results.failures:
        lines += ["", "Not measured, because a check failed or a program ended with an error:", ""]
        lines += [f"- {key}: {_first_line(why)}" for key, why in sorted(results.failures.items())]
    return "\n".join(lines) + "\n"


def readme(results: Results) -> str:
    """Return the lines for the README: this checkout, and what it is compared with."""
    out = [_row(["", "evtrack", "beside"]), _row(["---"] * 3)]
    for name, row in rows().items():
        for line in row.lines:
            own = results.own(name, line, "here")
            spread = results.spread(own, line.figure) if own else None
            if line.readme is None or spread is None:
                continue
            others = [
                f"{beside.label} {_number(other.median)}"
                for beside in line.beside
                if beside.label in line.readme
                and (key := results.baseline(name, line, beside, "here"))
                and (other := results.spread(key, beside.figure or line.figure))
            ]
            out.append(_row([line.title, f"{_number(spread.median)} {line.unit}", ", ".join(others)]))
    return "\n".join(out) + "\n" if len(out) > _HEAD else ""


def _table(results: Results, *, against: bool) -> Iterator[list[str]]:
    checkouts = ("against", "here") if against else ("here",)
    for name, row in rows().items():
        for line in row.lines:
            keys = [results.own(name, line, checkout) for checkout in checkouts]
            spreads = [results.spread(key, line.figure) if key else None for key in keys]
            if not any(spreads):
                continue
            own = [_spread(spread, line.unit) for spread in spreads]
            if against:
                change = results.change(name, line)
                own.append(_times(change))
            title = line.title
            if line.target is not None:
                met = _met(spreads[-1], line.target, at_most=line.at_most)
                bound = f"{'at most' if line.at_most else 'at least'} {_number(line.target)} {line.unit}"
                yield [title, *own, "", *[""] * len(checkouts), bound, met]
                title, own = "", [""] * len(own)
            for cells in _comparisons(results, name, line, checkouts):
                yield [title, *own, *cells]
                title, own = "", [""] * len(own)
            if title:
                yield [title, *own, "", *[""] * len(checkouts), "", ""]


def _comparisons(results: Results, name: str, line: Line, checkouts: tuple[str, ...]) -> Iterator[list[str]]:
    for beside in line.beside:
        key = results.baseline(name, line, beside, checkouts[-1])
        other = results.spread(key, beside.figure or line.figure) if key else None
        if key is None or other is None:
            continue
        ratios = [results.ratio(name, line, beside, checkout) for checkout in checkouts]
        yield [
            f"{_label(beside, key)}: {_spread(other, '')}",
            *[_times(ratio) for ratio in ratios],
            "" if beside.target is None else f"{'at most ' if beside.at_most else ''}{_number(beside.target)} x",
            "" if beside.target is None else _met(ratios[-1], beside.target, at_most=beside.at_most),
        ]


def _label(beside: Beside, key: str) -> str:
    # Of a group, the run that was best is named: a peer with its setting.
    run = key.split("/", 1)[1].split("@", maxsplit=1)[0]
    prefix = beside.run.split("/")[-1].removesuffix(beside.label)
    return run.removeprefix(prefix) if beside.label in run else beside.label


def _conditions(facts: dict[str, Any], rounds: int) -> str:
    machine, here = facts["machine"], facts["evtrack"]
    parts = [
        f"{rounds} round{'s'[: rounds - 1]}, medians with their ranges",
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, {machine['kernel']}",
        f"PostgreSQL {facts['PostgreSQL']} ({_pairs(facts['settings'])})",
        f"evtrack {_checkout(here)}",
    ]
    if "against" in facts:
        parts.append(f"before: evtrack {_checkout(facts['against'])}")
    if "peers" in facts:
        parts.append(f"peers: {_pairs(facts['peers'], ' ')}")
    return ".\n".join(parts) + "."


def _checkout(known: dict[str, Any]) -> str:
    more = _pairs({name: value for name, value in known.items() if name not in ("commit", "changed", "evtrack")}, " ")
    changed = ", changed" if known["changed"] else ""
    return f"{known.get('evtrack', '')} at {known['commit'] or 'no commit'}{changed} ({more})"


def _pairs(known: dict[str, Any], between: str = "=") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in known.items())


def _met(spread: Spread | None, target: float, *, at_most: bool) -> str:
    if spread is None:
        return ""
    return "yes" if (spread.median <= target if at_most else spread.median >= target) else "no"


def _spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "-"
    text = f"{_number(spread.median)} {unit}".strip()
    return text if spread.low == spread.high else f"{text} ({_number(spread.low)} to {_number(spread.high)})"


def _times(spread: Spread | None) -> str:
    if spread is None:
        return ""
    text = f"{spread.median:.2f} x"
    return text if spread.low == spread.high else f"{text} ({spread.low:.2f} to {spread.high:.2f})"


def _number(value: float) -> str:
    if abs(value) >= 100:  # noqa: PLR2004  # three digits say enough
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return f"{lines[0]} {lines[-1]}" if len(lines) > 1 else text


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
