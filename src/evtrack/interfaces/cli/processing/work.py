"""`evtrack work`: claim batches and run them in crash-isolated slots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.interfaces.cli.shared.exit_codes import INTERRUPTED
from evtrack.interfaces.cli.shared.number_types import SECONDS, SOME_SECONDS
from evtrack.interfaces.cli.shared.options import MEMORY, located
from evtrack.interfaces.cli.shared.stopping import stopping
from evtrack.runtime.maintenance import GRACE_S as LOSE_GRACE_S
from evtrack.runtime.maintenance import LEASE_S
from evtrack.runtime.worker.offered_handlers import slot_setup
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.supervisor import GRACE_S, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


def worker_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say what to offer and how to run it; `work` and `run` share them.

    Args:
        function: The command; it gets imports, commands, slots, grace, lose_grace,
            lease and max_batches.

    Returns:
        The command with its options.
    """
    for option in reversed(
        (
            click.option("--import", "imports", multiple=True, metavar="MODULE", help="Module that defines handlers."),
            click.option(
                "--exec",
                "commands",
                multiple=True,
                metavar="NAME=COMMAND",
                help="A program as a handler: items as JSON lines on stdin, results as JSON lines on stdout.",
            ),
            click.option(
                "--slots",
                type=click.IntRange(1, 1024),
                default=os.cpu_count() or 1,
                help="Batches that run at once [one a processor].",
            ),
            click.option(
                "--grace",
                type=SECONDS,
                default=GRACE_S,
                help="Seconds in which running batches may end when the worker is stopped [30].",
            ),
            click.option(
                "--max-batches",
                type=click.IntRange(0, BIGINT_MAX),
                default=0,
                help="Replace a slot after so many batches [never].",
            ),
            click.option(
                "--lose-grace",
                type=SECONDS,
                default=LOSE_GRACE_S,
                help="Seconds that a worker's session may be gone before it is lost [5].",
            ),
            click.option(
                "--lease",
                type=SOME_SECONDS,
                default=LEASE_S,
                help="Seconds that a worker's heartbeat may be old before it is lost [30].",
            ),
        )
    ):
        function = option(function)
    return function


@click.command()
@worker_options
@click.option("--handler", "only", multiple=True, metavar="NAME", help="Offer only this handler; may be repeated.")
@click.option("--name", default="", help="What people call this worker [host:pid].")
@click.option("--drain", is_flag=True, help="Exit when nothing is claimable and nothing runs.")
@click.option("--timeout", type=SOME_SECONDS, help="Most seconds for a batch.")
@click.option("--stall", type=SOME_SECONDS, help="Most seconds without a sign of life.")
@click.option("--max-rss", type=MEMORY, help="Most memory of a slot [no limit].")
@located()
def work(dsn: str, /, **options: Any) -> None:
    """Work on batches until stopped.

    Handlers are found in the modules named with --import, which are looked for in the current folder first, in the
    programs named with --exec, or, when neither is given, in the entry points `evtrack.handlers` of installed
    packages. They run in child processes: one that crashes takes nothing else along.

    SIGTERM or Ctrl-C lets running batches end within --grace and gives the rest back; a second one does so at once.

    \b
    evtrack work --import examples.disease_stats --slots 4
    evtrack work --exec annotate='./annotate --fast' --drain
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    worker = Supervisor(
        dsn=dsn,
        setup=slot_setup(options["imports"], options["commands"], options["only"]),
        slots=options["slots"],
        name=options["name"],
        grace_s=options["grace"],
        lose_grace_s=options["lose_grace"],
        lease_s=options["lease"],
        max_batches=options["max_batches"],
        limits=SlotLimits(timeout_s=options["timeout"], stall_s=options["stall"], max_rss_bytes=options["max_rss"]),
        drain=options["drain"],
    )
    hint = f"Stopping: what runs may end within {options['grace']:g} s. Once more stops at once."
    with stopping(worker.stop, hint=hint) as came:
        worker.run()
    if came.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
