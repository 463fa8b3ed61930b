"""`evtrack work`: claim batches and run them in crash-isolated slots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from evtrack.config import settings_from
from evtrack.interfaces.cli.shared.exit_codes import INTERRUPTED
from evtrack.interfaces.cli.shared.options import lost_worker_options, recycle_option, with_dsn, worker_limit_options
from evtrack.interfaces.cli.shared.parameter_types import COUNT, SECONDS, Integer
from evtrack.interfaces.cli.shared.signals import ReceivedSignals, stop_on_signals
from evtrack.runtime.slot.process_tree import become_subreaper
from evtrack.runtime.worker.offered_handlers import slot_setup
from evtrack.runtime.worker.slots.container_memory import container_limit
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.state.state_directory import default_state_dir
from evtrack.runtime.worker.state.worker_state import WorkerState
from evtrack.runtime.worker.supervisor import GRACE_S, Supervisor
from evtrack.storage.embedded.server_choice import dsn_with_password

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from evtrack.runtime.slot.protocol import Setup

R = TypeVar("R")

STOP_HINT: Final = "Stopping: running batches may finish within {:g} s. Press Ctrl-C again to stop at once."


def worker_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a worker; `work` and `run` share them.

    Args:
        function: The command; it gets imports, commands, slots, grace, lose_grace, lease, max_batches, state_dir,
            kept_variables and recycle_rss.

    Returns:
        The command with its options.
    """
    for option in reversed(
        (
            click.option(
                "--import", "imports", multiple=True, metavar="MODULE", help="Module that defines handlers; repeatable."
            ),
            click.option(
                "--exec",
                "commands",
                multiple=True,
                metavar="NAME=COMMAND",
                help="Program that serves as handler NAME; repeatable. It reads items as JSON lines from stdin and "
                "writes results as JSON lines to stdout.",
            ),
            click.option(
                "--slots",
                type=Integer(1, 1024),
                default=os.cpu_count() or 1,
                help="Batches to run at the same time, up to 1024.  [default: number of CPUs]",
            ),
            click.option(
                "--grace",
                type=SECONDS,
                default=GRACE_S,
                help=f"Time that running batches have to finish when the worker is stopped.  [default: {GRACE_S:g}]",
            ),
            click.option(
                "--max-batches",
                type=COUNT,
                default=0,
                help="Restart a slot's process after this many batches.  [default: never]",
            ),
            click.option(
                "--state-dir",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="Directory in which workers leave what they run: if one is killed together with its slots, the "
                "next one here reports which items were in hand.  [default: EVTRACK_STATE_DIR, or /var/lib/evtrack/"
                "state for root and ~/.local/state/evtrack for others]",
            ),
            click.option(
                "--keep-env",
                "kept_variables",
                multiple=True,
                metavar="NAME",
                help="Environment variable that handlers and programs need; repeatable. Without this, they get neither "
                "EVTRACK_* nor DATABASE_URL and PGPASSWORD.",
            ),
            recycle_option,
            lost_worker_options,
        )
    ):
        function = option(function)
    return function


def worker_setup(dsn: str, options: dict[str, Any], *, only: Sequence[str] = ()) -> Setup:
    """Decide what slots offer and get.

    Args:
        dsn: The worker's database.
        options: Those of `worker_options`.
        only: Offer these handlers and no others; empty for all.
    """
    return slot_setup(
        options["imports"],
        options["commands"],
        only,
        dsn=dsn_with_password(dsn),
        kept_variables=options["kept_variables"],
    )


def worker_state(state_dir: Path | None) -> WorkerState:
    """Return the directory in which a worker leaves what its successor needs.

    Args:
        state_dir: As the user named it; None for the environment's, or the default.
    """
    settings = settings_from(state_dir=state_dir)
    return WorkerState(settings.state_dir or default_state_dir(), previous_exit=settings.previous_exit)


def stop_worker_on_signals(worker: Supervisor, grace_s: float) -> AbstractContextManager[ReceivedSignals]:
    """Stop a worker on the signals that ask for it, and its slots while the terminal stops it.

    Args:
        worker: The worker.
        grace_s: How long its running batches may take to finish.

    Returns:
        The context, with the signals that arrived.
    """
    # From here on, so that the embedded server, which another process may need, is not among what it adopts.
    become_subreaper()
    pausing = worker.pausing
    return stop_on_signals(worker.stop, hint=STOP_HINT.format(grace_s), pause=pausing.pause, resume=pausing.resume)


@click.command()
@worker_options
@click.option("--handler", "only", multiple=True, metavar="NAME", help="Offer only this handler; repeatable.")
@click.option("--name", default="", help="Name of the worker.  [default: host:pid]")
@click.option(
    "--drain",
    is_flag=True,
    help="Exit when nothing is left to do: no batch can be claimed, now or after a backoff, and none is running here.",
)
@worker_limit_options
@with_dsn(waits=True)
def work(dsn: str, /, **options: Any) -> None:
    """Run batches until stopped.

    Handlers come from the modules named by --import, which are searched in the current directory first, and from the
    programs named by --exec. Without either, they come from the entry points `evtrack.handlers` of installed packages.
    Handlers run in child processes, so a crash affects only its own batch.

    On SIGTERM, SIGHUP or Ctrl-C, running batches have --grace to finish, and the others go back to the queue. On a
    second signal, all go back at once.

    \b
    evtrack work --import examples.disease_stats --slots 4
    evtrack work --exec annotate='./annotate --fast' --drain
    """  # noqa: D301  # \b makes click keep these lines as they are
    worker = Supervisor(
        dsn=dsn,
        setup=worker_setup(dsn, options, only=options["only"]),
        slots=options["slots"],
        name=options["name"],
        grace_s=options["grace"],
        lose_grace_s=options["lose_grace"],
        lease_s=options["lease"],
        max_batches=options["max_batches"],
        limits=SlotLimits(timeout_s=options["timeout"], stall_s=options["stall"], memory=_memory_limits(options)),
        drain=options["drain"],
        state=worker_state(options["state_dir"]),
    )
    with stop_worker_on_signals(worker, options["grace"]) as received:
        worker.run()
    if received.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _memory_limits(options: dict[str, Any]) -> MemoryLimits:
    either = {"recycle_rss_bytes": options["recycle_rss"], "slot_cgroups": settings_from().slot_cgroups}
    if options["max_rss"] is None:
        return MemoryLimits(container=container_limit(), **either)
    least, most = options["max_rss"]
    return MemoryLimits(max_rss_bytes=least or None, isolated_max_rss_bytes=most or None, **either)
