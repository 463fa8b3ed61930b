"""Puts a dashboard together with a server of its own: what `evtrack web` and `evtrack run --web` serve."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import structlog

from evtrack.config import WEB_HOST, WEB_PORT
from evtrack.domain import log_names
from evtrack.domain.database_errors import PermissionDenied
from evtrack.domain.errors import BadArgument, EvtrackError
from evtrack.domain.text import quoted
from evtrack.interfaces.web.app import Door, dashboard, site_of
from evtrack.interfaces.web.security.act_gate import ActRights
from evtrack.interfaces.web.security.failures import FailureLimit
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.interfaces.web.security.mount_point import checked_prefix
from evtrack.interfaces.web.security.password_file import read_passwords
from evtrack.interfaces.web.security.password_login import PasswordLogin
from evtrack.interfaces.web.security.peers import TrustedProxies, allowed_hosts
from evtrack.interfaces.web.security.proxy_login import ProxyLogin
from evtrack.interfaces.web.security.token_login import TokenLogin, new_token, read_token
from evtrack.interfaces.web.serving.server import DashboardServer, listening_socket
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.preconditions import require_call
from evtrack.storage.connection.session_facts import session_facts

if TYPE_CHECKING:
    from evtrack.interfaces.web.rendering import Renderer
    from evtrack.interfaces.web.security.identity import Login

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """How a dashboard is served.

    Args:
        host: The address.
        port: The port; 0 chooses a free one.
        prefix: Where browsers see it.
        allowed_hosts: Names of the server besides those of loopback.
        trusted_proxies: The proxies whose headers count.
        auth: token, basic:FILE, proxy:HEADER or none.
        token_file: The file that has the token; without it, there is a new one.
        lets_anyone: Whether none is meant, off loopback too.
        act_as: The database as a role that may act; None for a dashboard that only shows.
        strict_role: Whether to refuse a role that may do more than read.
        show_results: Whether pages show the results of handlers.
    """

    host: str = WEB_HOST
    port: int = WEB_PORT
    prefix: str = "/"
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    auth: str = "token"
    token_file: Path | None = None
    lets_anyone: bool = False
    act_as: str | None = None
    strict_role: bool = False
    show_results: bool = False


class ServedDashboard:
    """A dashboard that has its address, and answers as soon as it runs.

    Args:
        dsn: The database.
        options: How it is served.

    Raises:
        BadArgument: The options do not fit together, or the address cannot be had.
        EvtrackError: The database is away, or its role does not fit.
    """

    def __init__(self, dsn: str, options: ServingOptions) -> None:
        prefix, trusted = checked_prefix(options.prefix), TrustedProxies(options.trusted_proxies)
        if options.auth.startswith("proxy:") and not trusted:
            raise BadArgument("--auth proxy:HEADER needs --trusted-proxy: nobody else's header counts.")
        _check_roles(dsn, options)
        self._socket = listening_socket(options.host, options.port)
        try:
            address, self.port = self._socket.getsockname()[:2]
            _check_exposure(options, is_loopback=_is_loopback(address))
            self._token = ""
            site = site_of(dsn, prefix=prefix, show_results=options.show_results)
            door = Door(
                login=self._login(options, site.renderer),
                hosts=allowed_hosts(options.allowed_hosts, port=self.port),
                trusted=trusted,
                acts=None if options.act_as is None else ActRights(options.act_as),
            )
        except BaseException:
            self._socket.close()
            raise
        self._site = site
        self._opened: Path | None = None
        self._server = DashboardServer(dashboard(site, door), on_stop=site.hub.close)
        host = f"[{address}]" if ":" in address else address
        name = options.allowed_hosts[0] if options.allowed_hosts and not _is_loopback(address) else host
        at = name if _names_port(name) else f"{name}:{self.port}"
        self.address = f"http://{at}{prefix}/"
        self.shown_address = self.address + (f"?token={self._token}" if self._token else "")

    def run(self) -> None:
        """Serve until `stop` is called."""
        _log.info(log_names.WEB_SERVER_STARTED, address=self.address)
        try:
            self._server.run(self._socket)
        finally:
            self.close()

    def stop(self) -> None:
        """Stop; it only sets flags, so that a signal handler may call it."""
        self._server.stop()

    def close(self) -> None:
        """Give the address and the connections back; `run` does it by itself."""
        self._site.close()
        self._socket.close()
        if self._opened is not None:
            rmtree(self._opened, ignore_errors=True)

    def open(self) -> bool:
        """Show it in a browser.

        The token is not among the browser's arguments, which other users of this host can see: a private file leads on.

        Returns:
            Whether there is a browser.
        """
        self._opened = Path(mkdtemp(prefix="evtrack-web-"))
        file = self._opened / "open.html"
        file.touch(mode=0o600)
        file.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={self.shown_address}"><title>evtrack</title>',
            encoding="utf-8",
        )
        return webbrowser.open(file.as_uri())

    def _login(self, options: ServingOptions, renderer: Renderer) -> Login:
        way, _, argument = options.auth.partition(":")
        if way == "token" and not argument:
            token = new_token() if options.token_file is None else read_token(options.token_file)
            # Whoever has written the file knows it.
            self._token = token if options.token_file is None else ""
            return TokenLogin(token, name=str(self.port), renderer=renderer, failures=FailureLimit())
        if way == "basic" and argument:
            return PasswordLogin(read_passwords(Path(argument)), FailureLimit())
        if way == "proxy" and argument:
            return ProxyLogin(argument)
        if options.auth == "none":
            return NoLogin()
        raise BadArgument(
            f"Not a way to log in: {quoted(options.auth)}.",
            hint="--auth takes token, basic:FILE, proxy:HEADER or none.",
        )


def _check_exposure(options: ServingOptions, *, is_loopback: bool) -> None:
    if is_loopback:
        return
    if not options.allowed_hosts:
        raise BadArgument(
            f"Serving on {options.host} needs --allow-host NAME: the name that browsers use for this server.",
            hint="Requests for other names are refused, so that no foreign name can be made to point here.",
        )
    if options.auth == "none" and not options.lets_anyone:
        raise BadArgument(
            f"--auth none on {options.host} would show everything to everyone who can reach it.",
            hint="If that is what you want, add --yes-anyone.",
        )


def _check_roles(dsn: str, options: ServingOptions) -> None:
    if options.strict_role:
        with connect(dsn, purpose="check", reads=True) as conn:
            facts = session_facts(conn)
        if not facts.reads_only:
            raise PermissionDenied(
                f"The role {facts.role} may do more than read, and --strict-role is set.",
                hint="Connect as a member of evtrack_reader alone: GRANT evtrack_reader TO a role of its own.",
            )
    if options.act_as is not None:
        try:
            with connect(options.act_as, purpose="check") as conn:
                require_call(conn, "create_job")
        except EvtrackError as error:
            # Its own hint speaks of --dsn.
            raise BadArgument(
                f"No acts with --act-as: {error.message}",
                hint="Give --act-as, or EVTRACK_WEB_ACT_AS, the same database as a member of evtrack_producer.",
            ) from error


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def _names_port(host: str) -> bool:
    return "]:" in host if host.startswith("[") else ":" in host
