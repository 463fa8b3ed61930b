"""The pages of errors: what happened, and what to do next."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, EvtrackError, NoSuchJob
from evtrack.domain.text import json_text
from evtrack.interfaces.web.address import NoSuchPage
from evtrack.interfaces.web.security.preferences import page_values, wants_json
from evtrack.interfaces.web.security.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from evtrack.interfaces.web.rendering import Renderer

_RETRY_S: Final = 2
_WHAT_NEXT: Final = {404: "Start from the overview, or search for a job, batch or item."}

_log = structlog.get_logger()


class ErrorPages:
    """Renders errors, each as a page, or as JSON to those who ask for JSON.

    Args:
        renderer: Renders them.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    @property
    def handlers(self) -> Mapping[Any, Callable[[Request, Exception], Response]]:
        """The functions that answer, by class of exception."""
        return {
            NoSuchPage: self._no_such_page,
            NoSuchJob: self._not_found,
            BadArgument: self._not_found,
            EvtrackError: self._database,
            HTTPException: self._http,
            Refused: self._refused,
            Exception: self._unexpected,
        }

    def _no_such_page(self, request: Request, error: Exception) -> Response:
        del error
        return self._answer(request, 404, "There is no such page.", _WHAT_NEXT[404])

    def _not_found(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, EvtrackError)  # noqa: S101  it is registered for that class
        return self._answer(request, 404, error.message, error.hint)

    def _database(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, EvtrackError)  # noqa: S101  it is registered for that class
        headers = {"retry-after": str(_RETRY_S), "refresh": str(_RETRY_S)}
        # libpq's words have line breaks and tabs.
        return self._answer(request, 503, " ".join(error.message.split()), error.hint, headers)

    def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101  it is registered for that class
        return self._answer(request, error.status, error.reason, "")

    def _http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  it is registered for that class
        if error.status_code == HTTPStatus.NOT_FOUND:
            return self._no_such_page(request, error)
        return self._answer(request, error.status_code, f"{HTTPStatus(error.status_code).phrase}.", "", error.headers)

    def _unexpected(self, request: Request, error: Exception) -> Response:
        number = secrets.token_hex(4)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        _log.error(log_names.WEB_ERROR, number=number, path=path, exc_info=error)
        hint = f"The log of evtrack web has the details: {number}."
        return self._answer(request, 500, "An unexpected error occurred.", hint)

    def _answer(
        self, request: Request, status: int, message: str, hint: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        if wants_json(request):
            document = json_text({"status": status, "error": message, "hint": hint})
            return Response(f"{document}\n", status, headers, "application/json")
        values = page_values(request, self._renderer, title=HTTPStatus(status).phrase)
        page = self._renderer.page("frame/error", values | {"message": message, "hint": hint})
        return HTMLResponse(page, status, headers)
