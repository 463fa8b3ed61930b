"""`evtrack web`: serve the dashboard."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from evtrack.config import WEB_HOST, WEB_PORT, web_settings_from
from evtrack.interfaces.cli.shared.dashboard import dashboard_of, serving_options
from evtrack.interfaces.cli.shared.exit_codes import INTERRUPTED
from evtrack.interfaces.cli.shared.options import with_dsn
from evtrack.interfaces.cli.shared.parameter_types import Integer
from evtrack.interfaces.cli.shared.signals import stop_on_signals
from evtrack.interfaces.notices import notice

if TYPE_CHECKING:
    from evtrack.interfaces.web.serving.dashboard import ServedDashboard


def _print_password_line(ctx: click.Context, _: click.Parameter, user: str | None) -> None:
    if user is None:
        return
    from evtrack.interfaces.web.security.password_file import password_line  # noqa: PLC0415  an extra

    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    click.echo(password_line(user, password))
    ctx.exit()


@click.command()
@click.option("--host", metavar="ADDRESS", default=WEB_HOST, show_default=True, help="Address to serve on.")
@click.option(
    "--port",
    type=Integer(0, 65535),
    default=WEB_PORT,
    show_default=True,
    help="Port to serve on; 0 chooses a free one.",
)
@click.option(
    "--prefix", metavar="PATH", default="/", show_default=True, help="Path at which a proxy shows the dashboard."
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Name that browsers use for this server, besides localhost; requests for other names are refused. Repeatable.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    metavar="ADDRESS",
    multiple=True,
    help="Address or network of a proxy whose X-Forwarded-For, -Proto and -Host are trusted. Repeatable.",
)
@click.option(
    "--auth",
    metavar="WAY",
    default="token",
    show_default=True,
    help="How users log in: token, basic:FILE, proxy:HEADER or none.",
)
@click.option("--yes-anyone", "lets_anyone", is_flag=True, help="Allow --auth none on an address off this host.")
@click.option(
    "--password-line",
    metavar="USER",
    is_eager=True,
    expose_value=False,
    callback=_print_password_line,
    help="Ask for a password, print its line for the file of --auth basic:FILE, and exit.",
)
@click.option(
    "--act-as",
    metavar="DSN",
    help="Connection string of a role with which users may suspend, cancel and retry. Prefer EVTRACK_WEB_ACT_AS, which "
    "other users of this host cannot see.  [default: the dashboard only shows]",
)
@click.option("--strict-role", is_flag=True, help="Refuse to start if the database role may do more than read.")
@click.option("--show-results", is_flag=True, help="Show the results of handlers.")
@click.option("--open", "opens", is_flag=True, help="Open the dashboard in a browser.")
@with_dsn(waits=True)
def web(dsn: str, /, *, act_as: str | None, opens: bool, **options: Any) -> None:
    """Serve the dashboard, and print its address.

    It shows what happens to every job, batch and item, live. Every page is also available as JSON: add .json to its
    address. It uses at most four database connections, however many users watch.

    By default it listens on this host only, and the printed address contains a token that logs you in. The token
    changes with every start, unless EVTRACK_WEB_TOKEN_FILE names a file that has one. The dashboard changes nothing
    unless --act-as is given. Connect as a member of evtrack_reader alone, so that the database makes sure of that.

    SIGTERM or Ctrl-C stops it.

    \b
    evtrack web --open
    evtrack web --host 0.0.0.0 --allow-host ops.example.org \\
        --auth proxy:X-Remote-User --trusted-proxy 10.0.0.7
    """  # noqa: D301  # \b makes click keep these lines as they are
    settings = web_settings_from(act_as=act_as)
    given = serving_options(**options, act_as=settings.act_as, token_file=settings.token_file)
    _serve(dashboard_of(dsn, given), opens=opens)


def _serve(dashboard: ServedDashboard, *, opens: bool) -> None:
    with stop_on_signals(dashboard.stop, hint="") as received:
        click.echo(dashboard.shown_address)
        if opens:
            # A browser of the terminal returns at its end only.
            Thread(target=_open, args=(dashboard,), name="evtrack-open", daemon=True).start()
        dashboard.run()
    if received.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _open(dashboard: ServedDashboard) -> None:
    if not dashboard.open():
        notice("No browser was found: open the address in one.")
