"""Asks whether an act is meant, does it, and stops it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from starlette.responses import HTMLResponse, RedirectResponse

from evtrack.interfaces.web.acts.kinds import Preview, parse_target
from evtrack.interfaces.web.address import Address, NoSuchPage, link
from evtrack.interfaces.web.security.act_gate import record_act
from evtrack.interfaces.web.security.forms import form_of
from evtrack.interfaces.web.security.identity import user_of
from evtrack.interfaces.web.security.preferences import viewer_values
from evtrack.interfaces.web.security.refusal import Refused
from evtrack.runtime.acts.queue_act import Order
from evtrack.storage.connection.session_facts import session_facts

if TYPE_CHECKING:
    from collections.abc import Hashable

    from starlette.requests import Request
    from starlette.responses import Response

    from evtrack.interfaces.web.acts.desk import ActDesk
    from evtrack.interfaces.web.acts.kinds import Kind, Target
    from evtrack.runtime.acts.queue_act import ActReport
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.connection.session_facts import SessionFacts

_QUICK_S: Final = 30
_LONG_S: Final = 600
"""How long a statement of an act may run while a request waits for it, and in the background."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether an act is meant.

    Args:
        title: Names it.
        path: Where it is asked for, below the prefix.
        noun: What its preview counts, for one of them.
        preview: What it would touch now.
        must_type: Whether the number of the job must be typed.
        problem: Why the last answer was not taken; empty before the first one.
        is_final: Whether nothing can undo it.
    """

    title: str
    path: str
    noun: str
    preview: Preview
    must_type: bool
    problem: str
    is_final: bool


class KindAct:
    """An act of some kind: its page shows what it would touch, and its form does it.

    Args:
        kind: The kind.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return self._kind.name

    @property
    def path(self) -> str:
        """Its path below the prefix."""
        return self._kind.path

    async def ask(self, request: Request, desk: ActDesk) -> Response:
        """Show what it would touch."""
        target = _target(request)
        return await anyio.to_thread.run_sync(partial(self._ask, request, desk, target), limiter=desk.questions)

    async def perform(self, request: Request, desk: ActDesk) -> Response:
        """Do it, or begin it, and lead to what happened."""
        typed = (await form_of(request)).get("number", "").strip()
        target = _target(request)
        return await anyio.to_thread.run_sync(partial(self._perform, request, desk, target, typed), limiter=desk.acts)

    def _ask(self, request: Request, desk: ActDesk, target: Target) -> Response:
        (session, preview), cost = desk.site.pool.read(partial(self._read, target))
        return self._page(request, desk, target, {"session": session, "cost": cost}, preview)

    def _perform(self, request: Request, desk: ActDesk, target: Target, typed: str) -> Response:
        (session, preview), cost = desk.site.pool.read(partial(self._read, target))
        problem, status = "", 200
        if preview.refusal and (twice := desk.site.acts.recent(self._key(target))) is not None:
            # A browser shows the answer to the last press only.
            return RedirectResponse(desk.site.renderer.link(f"/acts/{twice.number}"), 303)
        if preview.refusal:
            problem, status = "Nothing was done.", 409
        elif self._kind.must_type(preview) and typed != str(target.job_id):
            problem, status = f"Nothing was done yet: the number of the job is {target.job_id}.", 422
        if problem:
            read = {"session": session, "cost": cost}
            return self._page(request, desk, target, read, preview, problem=problem, status=status)
        order = self._order(request, desk, target, preview)
        is_long = self._kind.is_long(preview)
        act = desk.site.acts.begin(order) if is_long else desk.site.acts.run(order)
        if act is None:
            raise Refused(503, "Too many acts are under way. Try again when one has ended.")
        if is_long and act.order is order:
            self._record(request, target, outcome="begun", expected=order.expected)
        return RedirectResponse(desk.site.renderer.link(f"/acts/{act.number}"), 303)

    def _key(self, target: Target) -> Hashable:
        return self._kind.name, target

    def _read(self, target: Target, conn: Connection) -> tuple[SessionFacts, Preview]:
        return session_facts(conn), self._kind.preview(conn, target)

    def _page(
        self,
        request: Request,
        desk: ActDesk,
        target: Target,
        read: dict[str, Any],
        preview: Preview,
        *,
        problem: str = "",
        status: int = 200,
    ) -> Response:
        kind = self._kind
        noun = "item" if kind.noun == "item" else "batch"
        question = Question(
            title=kind.title(target),
            path=kind.path_of(target),
            noun=noun,
            preview=preview,
            must_type=kind.must_type(preview),
            problem=problem,
            is_final=kind.is_final,
        )
        values = {
            "page": question,
            "args": target,
            "title": question.title,
            "address": link(question.path, batch=target.batch_no, status=target.status, key=target.key),
            "is_live": False,
            **read,
            **viewer_values(request, desk.site.renderer, may_act=True),
        }
        return HTMLResponse(desk.site.renderer.page("acts/question", values), status)

    def _order(self, request: Request, desk: ActDesk, target: Target, preview: Preview) -> Order:
        kind = self._kind

        def record(report: ActReport) -> None:
            noun = "batches" if report.noun == "batch" else f"{report.noun}s"
            self._record(request, target, outcome=str(report.state), **{noun: report.changed})

        return Order(
            key=self._key(target),
            title=kind.title(target),
            user=user_of(request).name,
            job_id=target.job_id,
            expected=1 if kind.noun == "job" else preview.touched,
            noun=kind.noun,
            dsn=desk.rights.dsn,
            steps=partial(_steps, kind, target),
            result=partial(kind.result, target),
            statement_s=_LONG_S if kind.is_long(preview) else _QUICK_S,
            can_stop=kind.can_stop,
            on_end=record,
        )

    def _record(self, request: Request, target: Target, **facts: Any) -> None:
        given = {"batch_no": target.batch_no, "status": target.status, "item_key": target.key}
        named = {name: value for name, value in given.items() if value is not None}
        record_act(request, act=self._kind.name, job_id=target.job_id, **named, **facts)


class StopAct:
    """Stops an act that is under way."""

    name = "stop"
    path = "/acts/{act_no}/stop"

    async def ask(self, request: Request, desk: ActDesk) -> Response:
        """Lead to the act, which has a button that stops it."""
        return _to_act(request, desk)

    async def perform(self, request: Request, desk: ActDesk) -> Response:
        """Stop it after its step."""
        act = desk.site.acts.find(_act_no(request))
        if act is None:
            raise NoSuchPage
        # It may take a lock that the act's own thread holds for a moment, and writes a line of the log.
        await anyio.to_thread.run_sync(act.stop, limiter=desk.questions)
        record_act(request, act=self.name, job_id=act.order.job_id, stopped=act.number)
        return _to_act(request, desk)


def _target(request: Request) -> Target:
    # It stands in the query of the form's address, too: in a hidden field, a CR of a key would become a CR LF.
    return parse_target(Address(request.path_params, request.query_params))


def _steps(kind: Kind, target: Target, conn: Connection) -> Any:
    return kind.steps(conn, target)


def _act_no(request: Request) -> int:
    return Address(request.path_params, {}).number("act_no")


def _to_act(request: Request, desk: ActDesk) -> Response:
    return RedirectResponse(desk.site.renderer.prefix + link(f"/acts/{_act_no(request)}"), 303)
