"""What was measured as Markdown: tables, the model that fits them, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.model import Model, Point, fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADER: Final = (
    "| workers | handler | offered/s | batches/s | group | exchange p50 / p99 | server | a batch | pooler | client |"
    " lock waits | cancelled/s | free slots |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)
_LARGEST_FITTED: Final = 200
"""Workers of the largest fleet that the model is fitted to; it is checked against the others."""

_CONTENDED: Final = 1.0
"""Sessions that wait for a lock, on average, from which on a fleet is beyond the model."""

_LEAST: Final = 0.01
"""Cores below which the cost of a batch is lost in what the server does anyway."""

_SHARE: Final = 0.7
"""How much of its cores a server may need all day."""

_CORES: Final = (2, 4, 8, 16, 32)
_RATES: Final = (10, 100, 1000, 10_000)
_DAYS: Final = (7, 30)
_DAY_S: Final = 86_400
_EVENTS: Final = 3
"""Events of a batch that completes at its first attempt."""


def line(point: Point) -> str:
    """Return the row of a fleet."""
    is_idle = not point.handler_s
    return _row(
        _workers(point),
        "idle" if is_idle else f"{1000 * point.handler_s:,.0f} ms",
        "" if is_idle else f"{point.offered:,.0f}",
        "" if is_idle else f"{point.rate:,.0f}",
        "" if is_idle else f"{point.group:.1f}",
        "" if is_idle else f"{1000 * point.claim_p50_s:,.1f} / {1000 * point.claim_p99_s:,.1f} ms",
        f"{point.server_cores:.3f}" if is_idle else f"{point.server_cores:.2f}",
        f"{1e6 * point.server_cores / point.rate:,.0f} us" if point.rate and point.server_cores >= _LEAST else "",
        f"{point.pooler_cores:.2f}",
        f"{point.client_cores:.2f}",
        f"{point.lock_waits:.1f}",
        "" if is_idle else f"{point.timeouts:.1f}",
        "" if is_idle else f"{100 * point.free_slots:.0f} %",
    )


def markdown(result: dict[str, Any], *others: dict[str, Any]) -> str:
    """Return all tables.

    Args:
        result: The run that the model is fitted to.
        others: Further runs, of which only the busy fleets are shown.
    """
    points = [Point(**each) for each in result["points"]]
    busy = [point for point in points if point.handler_s]
    parts = [
        _facts(result["settings"]),
        "### Busy fleets",
        "\n".join([HEADER, *map(line, busy)]),
        *[part for other in others for part in _further(other)],
        *_idle(points),
        *_memory(result["session_bytes"]),
        *_modelled(points),
        *_storage(result["storage"]),
    ]
    return "\n\n".join(parts)


def _facts(settings: dict[str, Any]) -> str:
    return (
        f"PostgreSQL {settings['server']} on {settings['cores']} cores ({settings['processor']}), which it shared with"
        f" the simulated workers and the pooler; {settings['date']}, evtrack {settings['evtrack']}. `max_connections`"
        f" {settings['max_connections']}, {settings['pool']} sessions behind the pooler (pgbouncer, transaction mode),"
        f" {settings['slots']} slot{'' if settings['slots'] == 1 else 's'} a worker, {settings['busy_s']:g} s a fleet."
    )


def _further(result: dict[str, Any]) -> Iterable[str]:
    points = [Point(**each) for each in result["points"] if each["handler_s"]]
    direct, pool = max(point.direct for point in points), result["settings"]["pool"]
    who = f"all but {direct:,} workers" if direct else "all workers"
    yield f"### Busy fleets, {who} through {pool} sessions of the pooler"
    yield "\n".join([HEADER, *map(line, points)])


def _idle(points: Sequence[Point]) -> Iterable[str]:
    idle = [point for point in points if not point.handler_s]
    if idle:
        yield "### Idle fleets"
        yield _table(
            ("workers", "server, % of a core", "a worker, each second", "to wake the fleet for one batch"),
            (
                (
                    _workers(point),
                    f"{100 * point.server_cores:.2f}",
                    f"{1e6 * point.server_cores / point.workers:,.0f} us",
                    f"{1000 * point.wake_up_s:,.1f} ms" if point.wake_up_s else "not measured",
                )
                for point in idle
            ),
        )


def _memory(sizes: dict[str, float]) -> Iterable[str]:
    if sizes:
        yield "### Memory"
        yield _table(
            ("session", "memory of its own"),
            ((name.removeprefix("evtrack "), f"{size / 1e6:.1f} MB") for name, size in sorted(sizes.items())),
        )


def _modelled(points: Sequence[Point]) -> Iterable[str]:
    fitted = [
        point
        for point in points
        if point.workers <= _LARGEST_FITTED and point.direct == point.workers and point.lock_waits < _CONTENDED
    ]
    busy = [point for point in fitted if point.handler_s]
    if len({point.group for point in busy}) < len(("a", "b")):
        return
    model = fit([point for point in fitted if not point.handler_s], busy)
    yield "### Model"
    yield (
        f"Fitted to the {len(fitted)} fleets of up to {_LARGEST_FITTED} workers without the pooler"
        " and without waits for locks:"
        f" **cores = {1e6 * model.exchange_s:,.0f} us x exchanges/s + {1e6 * model.batch_s:,.1f} us x batches/s +"
        f" {1e6 * model.worker_s:,.0f} us x workers**. So a batch costs {1e6 * model.batch_s:,.1f} us +"
        f" {1e6 * model.exchange_s:,.0f} us / batches of its exchange."
    )
    yield _table(
        ("workers", "handler", "measured cores", "model", "measured / model", "fitted"),
        (_checked(point, model, is_fitted=point in fitted) for point in points),
    )
    yield (
        f"Projection, not measured: batches a second = {_SHARE:g} x cores / ({1e6 * model.batch_s:,.1f} us +"
        f" {1e6 * model.exchange_s:,.0f} us / batches of an exchange), with clients on other hosts;"
        " only the cores named above were measured."
    )
    groups = (1, 10, 100)
    yield _table(
        ("cores of the server", *(f"{group} a group" for group in groups)),
        ((str(cores), *(f"{model.capacity(_SHARE * cores, group):,.0f}/s" for group in groups)) for cores in _CORES),
    )


def _checked(point: Point, model: Model, *, is_fitted: bool) -> tuple[str, ...]:
    expected = model.cores(point)
    return (
        _workers(point),
        f"{1000 * point.handler_s:,.0f} ms" if point.handler_s else "idle",
        f"{point.server_cores:.3f}",
        f"{expected:.3f}",
        f"{point.server_cores / expected:.2f}" if expected else "",
        "yes" if is_fitted else "no",
    )


def _storage(sizes: dict[str, float]) -> Iterable[str]:
    if not sizes:
        return
    kept = sum(sizes.get(name, 0.0) for name in ("event", "batch", "payload", "other"))
    wal = sizes["wal_enqueue"] + sizes["wal_run"]
    yield "### Space"
    yield (
        f"{sizes['batches']:,.0f} batches of one item with {sizes['payload_bytes']:,.0f} bytes of payload, claimed and"
        f" completed {sizes['group']:,.0f} at a time:"
    )
    yield _table(
        ("bytes a batch", ""),
        (
            ("its three events", f"{sizes.get('event', 0.0):,.0f}"),
            ("its row in `batch`", f"{sizes.get('batch', 0.0):,.0f}"),
            ("its item in `payload`", f"{sizes.get('payload', 0.0):,.0f}"),
            ("everything else", f"{sizes.get('other', 0.0):,.0f}"),
            ("WAL: enqueued, run", f"{sizes['wal_enqueue']:,.0f}, {sizes['wal_run']:,.0f}"),
        ),
    )
    yield (
        f"Projection, not measured, for such batches: events a day = {_EVENTS} x rate x {_DAY_S:,} s; kept ="
        f" {kept:,.0f} bytes x rate x {_DAY_S:,} s x days; WAL a day = {wal:,.0f} bytes x rate x {_DAY_S:,} s."
    )
    yield _table(
        ("batches/s, all day", "events a day", "kept a day", *(f"after {days} days" for days in _DAYS), "WAL a day"),
        (
            (
                f"{rate:,}",
                f"{_EVENTS * rate * _DAY_S / 1e6:,.1f} million",
                *(f"{kept * rate * _DAY_S * days / 1e9:,.1f} GB" for days in (1, *_DAYS)),
                f"{wal * rate * _DAY_S / 1e9:,.1f} GB",
            )
            for rate in _RATES
        ),
    )


def _workers(point: Point) -> str:
    pooled = point.workers - point.direct
    return f"{point.workers:,}" + (f" ({pooled:,} pooled)" if pooled else "")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = _row(*["---", *["---:"] * (len(names) - 1)])
    return "\n".join([_row(*names), rule, *[_row(*cells) for cells in rows]])
