"""Log in with a token: from the address that the terminal prints, or typed in; then a cookie stands for it."""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from evtrack.domain.errors import BadArgument
from evtrack.interfaces.web.security.cookies import set_cookie
from evtrack.interfaces.web.security.forms import form_of
from evtrack.interfaces.web.security.identity import User
from evtrack.interfaces.web.security.preferences import page_values, wants_json
from evtrack.interfaces.web.security.way_back import way_back

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import HTTPConnection, Request

    from evtrack.interfaces.web.rendering import Renderer
    from evtrack.interfaces.web.security.failures import FailureLimit

LASTS_S: Final = 12 * 3600
PARAMETER: Final = "token"
LOGIN_PATH: Final = "/login"
_LEAST_CHARACTERS: Final = 16
_MESSAGES: Final = {
    200: "",
    401: "",
    403: "That is not the token.",
    429: "Too many failed logins. Try again in a minute.",
}


def new_token() -> str:
    """Return a secret of 32 random bytes."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """Read the token from a file.

    Raises:
        BadArgument: The file cannot be read, or its token could be guessed.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"Cannot read the file with the token: {error}.") from None
    if len(token) < _LEAST_CHARACTERS or not token.isprintable() or " " in token:
        raise BadArgument(
            f"The token in {path} must be one word of at least {_LEAST_CHARACTERS} characters.",
            hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token


class TokenLogin:
    """Everybody who has the token is let in.

    The cookie is signed with a key of this process, and is not the token: whoever reads it in a browser's profile can
    use it for twelve hours at most, and never after a restart.

    Args:
        token: The secret.
        name: What distinguishes the cookie from those of other servers of this host: cookies know no ports.
        renderer: Renders the page that asks for the token, and knows where the application is mounted.
        failures: Limits guesses.
    """

    def __init__(self, token: str, *, name: str, renderer: Renderer, failures: FailureLimit) -> None:
        self._token, self._renderer, self._failures = token.encode(), renderer, failures
        self._cookie = f"evtrack_{name}"
        self._key = secrets.token_bytes(32)
        self.routes = (Route(LOGIN_PATH, self._page, methods=["GET", "POST"]),)

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return the only user, or the answer for somebody who is not logged in."""
        given = request.query_params.get(PARAMETER)
        if given is not None:
            return self._exchanged(request, given, _here(request, request.url.remove_query_params(PARAMETER).query))
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            refusal = self._refusal(request, bearer.strip())
            return User("") if refusal is None else self._asked(request, refusal, "")
        if self._is_valid(request.cookies.get(self._cookie, "")):
            return User("")
        return self._asked(request, 401, _here(request, request.url.query))

    async def _page(self, request: Request) -> Response:
        if request.method != "POST":
            given, then = request.query_params.get(PARAMETER), request.query_params.get("next", "")
            return self._asked(request, 200, then) if given is None else self._exchanged(request, given, then)
        form = await form_of(request)
        return self._exchanged(request, form.get(PARAMETER, "").strip(), form.get("next", ""))

    def _exchanged(self, request: HTTPConnection, token: str, then: str) -> Response:
        refusal = self._refusal(request, token)
        if refusal is not None:
            return self._asked(request, refusal, then)
        answer = RedirectResponse(way_back(then, self._renderer), 303)
        until = str(int(time.time()) + LASTS_S)
        value = f"{until}.{self._signature(until)}"
        set_cookie(answer, request, self._renderer, self._cookie, value, lasts_s=LASTS_S)
        return answer

    def _refusal(self, request: HTTPConnection, token: str) -> int | None:
        """Return the status for somebody with a wrong token, or with too many of them."""
        if not self._failures.begin(request):
            return 429
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token):
            return 403
        self._failures.succeeded(request)
        return None

    def _asked(self, request: HTTPConnection, status: int, then: str) -> Response:
        headers = {"retry-after": "60"} if status == 429 else None  # noqa: PLR2004  too many requests
        if wants_json(request):
            message = _MESSAGES[status] or "Log in first."
            return JSONResponse({"status": status, "error": message}, status, headers)
        values = page_values(request, self._renderer, title="Log in") | {
            "message": _MESSAGES[status],
            "login_address": self._renderer.link(LOGIN_PATH),
            "then": then,
        }
        return HTMLResponse(self._renderer.page("login", values), status, headers)

    def _is_valid(self, cookie: str) -> bool:
        until, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), self._signature(until).encode()):
            return False
        return int(until) > time.time()

    def _signature(self, until: str) -> str:
        return hmac.new(self._key, until.encode("utf-8", "surrogatepass"), sha256).hexdigest()


def _here(request: HTTPConnection, query: str) -> str:
    """Return the address of a request, below the prefix."""
    path = quote(request.scope["path"].removeprefix(request.scope.get("root_path", "")))
    return path + (f"?{query}" if query else "")
