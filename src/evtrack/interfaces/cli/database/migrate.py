"""`evtrack migrate`: apply or revert migrations, print them as SQL, create roles, and take over a replicated log."""

from dataclasses import asdict
from typing import Final

import click

from evtrack.config import settings_from
from evtrack.interfaces.cli.shared.options import dsn_option, json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import Integer
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.preconditions import check_schema, require_owner
from evtrack.storage.embedded.server_choice import running_server
from evtrack.storage.schema import migrations, replication
from evtrack.storage.schema import roles as storage_roles
from evtrack.storage.schema.migration_script import migration_script

_NOT_CURRENT: Final = 4
_VERSION: Final = Integer(0, 9999)  # file names of migrations have four digits


@click.group()
def migrate() -> None:
    """Migrate evtrack's schema."""


@migrate.command()
@json_option
@with_connection("migrate", schema=False, owner=True)
def up(conn: Connection, *, as_json: bool) -> None:
    """Apply pending migrations, and replace functions and views."""
    _reject_newer(conn, migrations.status(conn))
    applied = migrations.up(conn)
    version = migrations.status(conn).version
    if as_json:
        print_json({"applied": applied, "version": version})
        return
    for title in applied:
        click.echo(f"applied {title}")
    click.echo(f"The schema is at version {version}.")


@migrate.command()
@click.option("--to", type=_VERSION, help="Version to go back to.  [default: the one before the current version]")
@click.option("--drop-log", is_flag=True, help="Allow the loss of events, digests and alerts.")
@json_option
@with_connection("migrate", schema=False, owner=True)
def down(conn: Connection, *, to: int | None, drop_log: bool, as_json: bool) -> None:
    """Revert migrations, newest first.

    Functions and views go too: the older evtrack installs its own with its `migrate up`, which is the next step.
    """
    current = migrations.status(conn).version
    reverted = migrations.down(conn, to=max(current - 1, 0) if to is None else to, drop_log=drop_log)
    version = migrations.status(conn).version
    if as_json:
        print_json({"taken_back": reverted, "version": version})
        return
    for title in reverted:
        click.echo(f"reverted {title}")
    click.echo(f"The schema is at version {version}.")
    if reverted and version:
        click.echo(
            "Its functions and views are missing: run `evtrack migrate up` with the evtrack that should use it now."
        )


@migrate.command()
@json_option
@click.pass_context
@with_connection("migrate", schema=False, owner=True)
def status(conn: Connection, ctx: click.Context, *, as_json: bool) -> None:
    """Report which migrations are applied and which are pending.

    Exit codes: 0 the schema is current; 4 migrations are pending, functions or views differ, or the schema is newer
    than this evtrack.
    """
    now = migrations.status(conn)
    if as_json:
        print_json({**asdict(now), "current": now.current})
    else:
        click.echo(f"The schema is at version {now.version}; this evtrack needs version {now.latest}.")
        for title in now.pending:
            click.echo(f"pending: {title}")
        # In an empty database every object is missing, and the list would hide what matters.
        for path in now.stale_objects if now.version else ():
            click.echo(f"differs: {path}")
        if not now.current:
            click.echo("Run `evtrack migrate up`.")
    _reject_newer(conn, now)
    if not now.current:
        ctx.exit(_NOT_CURRENT)


@migrate.command("sql")
@click.option("--after", type=_VERSION, default=0, show_default=True, help="Current version of the schema.")
def print_sql(after: int) -> None:
    """Print the SQL that `up` would run."""
    for piece in migration_script(after=after):
        click.echo(piece, nl=False)


@migrate.command()
@click.option("--print-sql", is_flag=True, help="Print the SQL, for example for a DBA, without connecting.")
@dsn_option
def roles(dsn: str | None, *, print_sql: bool) -> None:
    """Create the database roles and grant them their rights.

    There is one role each for producers, workers, watchers and readers.
    """
    if print_sql:
        click.echo(storage_roles.roles_script(), nl=False)
        return
    with running_server(settings_from(dsn=dsn)) as resolved, connect(resolved, purpose="migrate") as conn:
        require_owner(conn)
        check_schema(conn)
        created = storage_roles.create_roles(conn)
    for role in created:
        click.echo(f"created {role}")
    click.echo("All roles have their rights in this database. Grant one to a user: GRANT evtrack_worker TO some_user")


@migrate.command("begin-replication")
@with_connection("migrate", schema=False, owner=True)
def begin_replication(conn: Connection) -> None:
    """Prepare an empty database to receive the log of another one by logical replication.

    Until end-replication, only a subscription can write to evtrack's tables. docs/operations.md has all steps.
    """
    replication.begin_replication(conn)
    click.echo(
        "Ready: create the subscription now. When all has arrived and is dropped: evtrack migrate end-replication"
    )


@migrate.command("end-replication")
@with_connection("migrate", schema=False, owner=True)
def end_replication(conn: Connection) -> None:
    """Take over a log that was received by logical replication, or came with a copy of its server.

    Run it once, before the first worker, watcher or submitter connects to this database.
    """
    jobs = replication.end_replication(conn)
    click.echo(
        f"This database continues the log, with {jobs} {'job' if jobs == 1 else 'jobs'}. Check it: evtrack verify"
    )


def _reject_newer(conn: Connection, now: migrations.Status) -> None:
    # All other commands reject a newer schema, so this one must not report that there is nothing to do.
    if now.version > now.latest:
        check_schema(conn)
