"""The runs of the peers for the rows that measure them, and with which settings each is measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from support.row import Beside, Run


@dataclass(frozen=True)
class Known:
    """A peer.

    Args:
        settings: By a label, the settings with which it is tried; the best counts.
        jobs: How many jobs it drains in a few seconds.
        always: Whether it is measured unless other peers are named.
        smoked: The measurements of a smoke run: each kind for one peer, and for the others what is dear to set up once.
    """

    settings: Mapping[str, Mapping[str, Any]]
    jobs: int
    always: bool = False
    smoked: tuple[str, ...] = ("drain",)


KNOWN = {
    "pgqueuer": Known(
        {str(batch): {"batch": batch} for batch in (500, 250, 1000)},
        60_000,
        always=True,
        smoked=("drain", "pick_up", "single", "bulk"),
    ),
    "awa": Known({str(workers): {"workers": workers} for workers in (1024, 256)}, 20_000, always=True),
    "procrastinate": Known({"30": {"concurrency": 30}}, 4000),
}
ALWAYS = tuple(name for name, known in KNOWN.items() if known.always)

_SMOKE_JOBS = 200
_SMALL = 1000


def drains(workers: int) -> tuple[Run, ...]:
    """Return the runs in which each peer drains jobs, once for each of its settings."""
    return tuple(
        _run(
            name,
            f"{workers} {name}, {label}",
            {"what": "drain", "jobs": known.jobs, "workers": workers, "settings": settings},
            {"jobs": _SMOKE_JOBS} if workers == 1 and label == next(iter(known.settings)) else None,
            group=f"{workers} {name}",
            seconds=9,
        )
        for name, known in KNOWN.items()
        for label, settings in known.settings.items()
    )


def pick_ups(samples: int) -> tuple[Run, ...]:
    """Return the runs in which an idle worker of each peer waits for jobs, with its first settings."""
    return tuple(
        _run(
            name,
            name,
            {"what": "pick_up", "samples": samples, "settings": _first(known)},
            {"samples": 3} if "pick_up" in known.smoked else None,
            seconds=5 + 0.045 * samples,
        )
        for name, known in KNOWN.items()
    )


def enqueues(size: int = 0) -> tuple[Run, ...]:
    """Return the runs in which jobs are enqueued at each peer, one or so many in each call."""
    return tuple(
        _run(
            name,
            f"{name}, {size:,} a call" if size else name,
            {"what": "enqueue", "seconds": 3, "size": size, "settings": _first(known)},
            {"seconds": 0.2} if ("bulk" if size else "single") in known.smoked and size <= _SMALL else None,
            group=name if size else "",
            seconds=6,
        )
        for name, known in KNOWN.items()
    )


def beside(prefix: str = "", targets: Mapping[str, float] | None = None, **more: Any) -> tuple[Beside, ...]:
    """Return the comparisons with all peers.

    Args:
        prefix: What stands before the peer's name in the name of the run or group.
        targets: The ratios to reach, by peer.
        more: Further arguments of each comparison.
    """
    return tuple(Beside(name, f"{prefix}{name}", target=(targets or {}).get(name), **more) for name in KNOWN)


def _first(known: Known) -> Mapping[str, Any]:
    return next(iter(known.settings.values()))


def _run(
    peer: str, name: str, full: dict[str, Any], smoke: dict[str, Any] | None, *, seconds: float, group: str = ""
) -> Run:
    return Run(name, full, smoke, seconds=seconds, by="peer", peer=peer, group=group)
