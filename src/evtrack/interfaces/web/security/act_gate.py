"""Acts: they exist only where somebody may act, and each asks who may, on its page and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from evtrack.domain import log_names
from evtrack.interfaces.web.security.identity import user_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import HTTPConnection, Request

_log = structlog.get_logger()

Desk = TypeVar("Desk")
Desk_contra = TypeVar("Desk_contra", contravariant=True)


def everybody_may(user: str) -> bool:
    """Let every user act who is let in."""
    del user
    return True


@dataclass(frozen=True, slots=True)
class ActRights:
    """What acts are done with.

    Args:
        dsn: The database, as a member of evtrack_producer.
        may_act: Whether a user may act, by name.
    """

    dsn: str
    may_act: Callable[[str], bool] = everybody_may


class Act(Protocol[Desk_contra]):
    """Something that a user does to the queue: a page that shows what it will touch, and the act itself."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    @property
    def path(self) -> str:
        """Its path below the prefix, with Starlette's parameters."""
        ...

    async def ask(self, request: Request, desk: Desk_contra) -> Response:
        """Show what it will touch."""
        ...

    async def perform(self, request: Request, desk: Desk_contra) -> Response:
        """Do it."""
        ...


def act_routes(acts: Iterable[Act[Desk]], rights: ActRights, desk: Desk) -> list[BaseRoute]:
    """Return the routes of acts; without rights there are none, so that their addresses do not exist.

    Args:
        acts: The acts.
        rights: Who may act.
        desk: What acts are done with.
    """
    return [Route(act.path, _GatedAct(act, rights, desk).answer, methods=["GET", "POST"]) for act in acts]


def may_act(request: HTTPConnection, rights: ActRights | None) -> bool:
    """Return whether the user of a request may act."""
    return rights is not None and rights.may_act(user_of(request).name)


def record_act(request: HTTPConnection, *, act: str, job_id: int | None, **numbers: Any) -> None:
    """Log that a user acted.

    Args:
        request: Who asked for it.
        act: Its name.
        job_id: Its job, if it has one.
        **numbers: What it touched.
    """
    peer = request.client.host if request.client else ""
    _log.info(log_names.WEB_ACT, user=user_of(request).name, peer=peer, act=act, job_id=job_id, **numbers)


class _GatedAct(Generic[Desk]):
    def __init__(self, act: Act[Desk], rights: ActRights, desk: Desk) -> None:
        self._act, self._rights, self._desk = act, rights, desk

    async def answer(self, request: Request) -> Response:
        if not may_act(request, self._rights):
            return PlainTextResponse("You may look, and not act.\n", 403)
        if request.method == "POST":
            return await self._act.perform(request, self._desk)
        return await self._act.ask(request, self._desk)
