"""The pages of errors: what happened, and what to do next."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError, NoSuchJob
from evtrack.interfaces.web.address import NoSuchPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from evtrack.interfaces.web.rendering import Renderer

_log = structlog.get_logger()
_RETRY_S = 2


class ErrorPages:
    """Renders errors, each as a page.

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
            EvtrackError: self._database,
            HTTPException: self._http,
            Exception: self._unexpected,
        }

    def _no_such_page(self, request: Request, error: Exception) -> Response:
        del request, error
        return self._page(404, "There is no such page.", "Start from the overview, or search for a job, batch or item.")

    def _not_found(self, request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, EvtrackError)  # noqa: S101  it is registered for that class
        return self._page(404, error.message, error.hint)

    def _database(self, request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, EvtrackError)  # noqa: S101  it is registered for that class
        return self._page(503, error.message, error.hint, {"retry-after": str(_RETRY_S), "refresh": str(_RETRY_S)})

    def _http(self, request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, HTTPException)  # noqa: S101  it is registered for that class
        return self._page(error.status_code, f"{HTTPStatus(error.status_code).phrase}.", "")

    def _unexpected(self, request: Request, error: Exception) -> Response:
        number = secrets.token_hex(4)
        _log.error(log_names.WEB_ERROR, number=number, path=request.url.path, exc_info=error)
        return self._page(500, "An unexpected error occurred.", f"The log of evtrack web has the details: {number}.")

    def _page(self, status: int, message: str, hint: str, headers: Mapping[str, str] | None = None) -> Response:
        values = {"title": HTTPStatus(status).phrase, "message": message, "hint": hint, "address": "", "is_live": False}
        return HTMLResponse(self._renderer.page("error", values), status, headers)
