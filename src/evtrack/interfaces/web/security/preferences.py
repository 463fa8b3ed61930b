"""What a viewer prefers, the theme and the zone of times: kept in cookies, so that the server writes it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse, Response

from evtrack.interfaces.web.security.cookies import set_cookie
from evtrack.interfaces.web.security.forms import form_of
from evtrack.interfaces.web.security.identity import user_of
from evtrack.interfaces.web.security.way_back import way_back

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request

    from evtrack.interfaces.web.rendering import Renderer

SETTINGS_PATH: Final = "/settings"
_CHOICES: Final = {"theme": ("auto", "light", "dark"), "zone": ("utc", "local")}
_LAST_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a viewer prefers.

    Args:
        theme: auto, light or dark.
        zone: utc or local.
    """

    theme: str = "auto"
    zone: str = "utc"


def preferences_of(request: HTTPConnection) -> Preferences:
    """Read what a viewer prefers; what is not one of the choices counts as not said."""
    cookies = request.cookies
    given = {name: cookies.get(_cookie(name), "") for name in _CHOICES}
    return Preferences(**{name: value for name, value in given.items() if value in _CHOICES[name]})


def page_values(request: HTTPConnection, renderer: Renderer, *, title: str) -> dict[str, Any]:
    """Return what a template of a page without a model may use.

    Args:
        request: Whose page it is.
        renderer: Renders it.
        title: Names it.
    """
    return {"title": title, "address": "", "is_live": False, **viewer_values(request, renderer, may_act=False)}


def viewer_values(request: HTTPConnection, renderer: Renderer, *, may_act: bool) -> dict[str, Any]:
    """Return what a template may use about its viewer; live regions, which all viewers share, may not.

    Args:
        request: Whose page it is.
        renderer: Renders it.
        may_act: Whether the viewer may act.
    """
    return {
        "preferences": preferences_of(request),
        "settings_address": renderer.link(SETTINGS_PATH),
        "user": user_of(request).name,
        "may_act": may_act,
    }


def wants_json(request: HTTPConnection) -> bool:
    """Return whether an answer should be JSON: the address says so, or the client."""
    return request.scope["path"].endswith(".json") or "application/json" in request.headers.get("accept", "")


class SettingsEndpoint:
    """Takes what a viewer prefers.

    Args:
        renderer: Knows where the application is mounted.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def __call__(self, request: Request) -> Response:
        """Set the cookies, and go back to the page that the form was on."""
        form = await form_of(request)
        answer = RedirectResponse(way_back(form.get("next", ""), self._renderer), 303)
        for name, choices in _CHOICES.items():
            if (value := form.get(name, "")) in choices:
                set_cookie(answer, request, self._renderer, _cookie(name), value, lasts_s=_LAST_S)
        return answer


def _cookie(name: str) -> str:
    return f"evtrack_{name}"
