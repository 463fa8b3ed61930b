"""Where the dashboard is mounted: its own links begin with that prefix, and so do the paths that it routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_ALSO_ALLOWED: Final = frozenset("/-._~")


def checked_prefix(prefix: str) -> str:
    """Return a prefix without a slash at its end.

    Args:
        prefix: As it was given, such as / or /ops.

    Raises:
        BadArgument: It is not a path.
    """
    path = prefix.rstrip("/")
    are_allowed = all(each.isascii() and (each.isalnum() or each in _ALSO_ALLOWED) for each in path)
    if (path and not path.startswith("/")) or "//" in path or not are_allowed:
        raise BadArgument(f"Not a prefix: {quoted(prefix)}.", hint="Write it like /ops: letters, digits and -._~ only.")
    return path


class MountPoint:
    """An ASGI application around another one, which gives each request the same root path.

    A proxy may have taken the prefix away, or have left it; a host application says in `root_path` what it has taken.

    Args:
        app: The application.
        prefix: Where browsers see it, without a slash at the end.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on.

        Raises:
            BadArgument: A host application has mounted it elsewhere, so none of its links would lead anywhere.
        """
        if scope["type"] == "http":
            root = str(scope.get("root_path", "")).rstrip("/")
            if not self._prefix.endswith(root):
                raise BadArgument(
                    f"The dashboard is mounted at {quoted(root)}, but its prefix is {quoted(self._prefix)}.",
                    hint=f"Pass prefix={root!r} to evtrack.web.app().",
                )
            path = _below(_below(scope["path"], root), self._prefix) or "/"
            scope = {**scope, "root_path": self._prefix, "path": self._prefix + path}
        await self._app(scope, receive, send)


def _below(path: str, root: str) -> str:
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path
