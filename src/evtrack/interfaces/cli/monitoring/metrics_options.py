"""The options with which `evtrack watch` serves figures for Prometheus."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from evtrack.domain.errors import BadArgument, NotInstalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

R = TypeVar("R")

LOOPBACK: Final = "127.0.0.1"


def metrics_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of the metrics server.

    Args:
        function: The command; it gets metrics_port and metrics_host.

    Returns:
        The command with its options.
    """
    for option in (
        click.option("--metrics-host", metavar="ADDRESS", help=f"Where to serve them [{LOOPBACK}]."),
        click.option(
            "--metrics-port", type=click.IntRange(0, 65535), help="Serve figures for Prometheus; 0: any port."
        ),
    ):
        function = option(function)
    return function


@contextmanager
def serving_metrics(dsn: str, options: dict[str, Any]) -> Iterator[None]:
    """Serve figures while the block runs, if the options say so.

    Args:
        dsn: The connection string.
        options: The command's options.

    Yields:
        Nothing.

    Raises:
        NotInstalled: The package that serves them is not there.
        BadArgument: They cannot be served there.
    """
    port, host = options["metrics_port"], options["metrics_host"]
    if port is None:
        if host is not None:
            raise BadArgument("--metrics-host serves nothing without --metrics-port")
        yield
        return
    try:
        from evtrack.runtime.watch.metrics import MetricsServer  # noqa: PLC0415  an extra, wanted only now
    except ImportError:
        raise NotInstalled("--metrics-port", extra="metrics") from None
    server = MetricsServer(dsn=dsn, port=port, host=host or LOOPBACK)
    server.start()
    try:
        yield
    finally:
        server.stop()
