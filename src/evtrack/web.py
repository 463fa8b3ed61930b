"""The dashboard as an ASGI application, to be mounted in another one: `evtrack.web.app(...)`. Needs the extra `web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.domain.errors import NotInstalled

try:
    from evtrack.interfaces.web.app import Dashboard, Door, site_of
    from evtrack.interfaces.web.security.act_gate import ActRights, everybody_may
    from evtrack.interfaces.web.security.host_login import HostLogin
    from evtrack.interfaces.web.security.mount_point import checked_prefix
except ImportError:
    raise NotInstalled("evtrack.web", extra="web") from None

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import HTTPConnection

__all__ = ["Dashboard", "app"]


def app(
    dsn: str,
    *,
    user: Callable[[HTTPConnection], str | Awaitable[str | None] | None],
    may_act: Callable[[str], bool] = everybody_may,
    prefix: str = "",
    act_as: str | None = None,
    hosts: Iterable[str] | None = None,
    show_results: bool = False,
) -> Dashboard:
    """Make the dashboard as an ASGI application without a lifespan, to be mounted in any other one.

    Nothing is opened before the first request: at most three connections for pages, and one for what is watched live.

    Args:
        dsn: The database, as a member of evtrack_reader alone.
        user: Returns the name of the user who sends a request, or None (or an empty name) for somebody who may not see
            the dashboard; may be a coroutine function. The host application has authenticated them: the dashboard asks
            for no password.
        may_act: Whether a user may act, by name; asked for each act.
        prefix: Where browsers see it, such as /ops. It ends with the path at which it is mounted.
        act_as: The same database, as a member of evtrack_producer; without it, the dashboard only shows.
        hosts: The values of the header Host that are ours, with their ports; None if the host application checks them.
        show_results: Whether pages show the results of handlers.

    Returns:
        The application; its `close()` ends its streams and closes its connections, for hosts that want to.

    Raises:
        BadArgument: The prefix is not a path.

    Example:
        app.mount("/ops", evtrack.web.app(dsn, user=lambda request: request.session.get("user"), prefix="/ops"))
    """
    site = site_of(dsn, prefix=checked_prefix(prefix), show_results=show_results)
    door = Door(
        login=HostLogin(user),
        hosts=None if hosts is None else frozenset(each.lower() for each in hosts),
        acts=None if act_as is None else ActRights(act_as, may_act),
    )
    return Dashboard(site, door)
