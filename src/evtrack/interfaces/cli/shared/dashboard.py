"""The dashboard for commands: its packages are an extra."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.errors import BadArgument, NotInstalled
from evtrack.interfaces.notices import notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.interfaces.web.serving.dashboard import ServedDashboard, ServingOptions

_JOIN_S: Final = 5.0


def serving_options(**given: Any) -> ServingOptions:
    """Return how a dashboard is served.

    Args:
        **given: The fields of ServingOptions.

    Raises:
        NotInstalled: The packages of the dashboard are not installed.
    """
    try:
        from evtrack.interfaces.web.serving.dashboard import ServingOptions  # noqa: PLC0415  an extra
    except ImportError:
        raise NotInstalled("The dashboard", extra="web") from None
    return ServingOptions(**given)


def dashboard_of(dsn: str, options: ServingOptions) -> ServedDashboard:
    """Return a dashboard that has its address.

    Args:
        dsn: The database.
        options: How it is served.
    """
    from evtrack.interfaces.web.serving.dashboard import ServedDashboard  # noqa: PLC0415  an extra

    return ServedDashboard(dsn, options)


@contextmanager
def serving_dashboard(dsn: str, *, wanted: bool, token_file: Any = None) -> Iterator[None]:
    """Serve the dashboard from a thread while the block runs, on its port or on a free one.

    Args:
        dsn: The database.
        wanted: Whether to serve it at all.
        token_file: The file with the token, if there is one.

    Yields:
        Nothing.

    Raises:
        NotInstalled: The packages of the dashboard are not installed.
    """
    if not wanted:
        yield
        return
    options = serving_options(token_file=token_file)
    try:
        dashboard = dashboard_of(dsn, options)
    except BadArgument:  # its port is in use
        dashboard = dashboard_of(dsn, replace(options, port=0))
    thread = threading.Thread(target=dashboard.run, name="evtrack-web", daemon=True)
    thread.start()
    notice(f"Dashboard: {dashboard.shown_address}")
    try:
        yield
    finally:
        dashboard.stop()
        thread.join(_JOIN_S)
