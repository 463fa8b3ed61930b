"""evtrack migrate: bring the schema up or down, say how it stands, print it as SQL."""

import click

from evtrack.config import settings_from
from evtrack.interfaces.cli.shared.options import connected, dsn_option, json_option, print_json
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.preconditions import check_schema, require_owner
from evtrack.storage.embedded.server_choice import running_server
from evtrack.storage.schema import migrations
from evtrack.storage.schema import roles as storage_roles
from evtrack.storage.schema.migration_script import migration_script

_NOT_CURRENT = 4
_VERSION = click.IntRange(0, 9999)  # as many digits as the names of migrations have


@click.group()
def migrate() -> None:
    """Bring evtrack's schema up or down."""


@migrate.command()
@json_option
@connected("migrate", schema=False, owner=True)
def up(conn: Connection, *, as_json: bool) -> None:
    """Apply what is missing, and replace functions and views."""
    _refuse_newer(conn, migrations.status(conn))
    done = migrations.up(conn)
    if as_json:
        print_json({"applied": done, "version": migrations.status(conn).version})
        return
    for title in done:
        click.echo(f"applied {title}")
    click.echo(f"evtrack's schema is in version {migrations.status(conn).version}")


@migrate.command()
@click.option("--to", type=_VERSION, help="The version to go back to; the one before the present if left out.")
@click.option("--drop-log", is_flag=True, help="Allow that events, digests, alerts are lost.")
@json_option
@connected("migrate", schema=False, owner=True)
def down(conn: Connection, *, to: int | None, drop_log: bool, as_json: bool) -> None:
    """Take migrations back, the newest first."""
    present = migrations.status(conn).version
    done = migrations.down(conn, to=max(present - 1, 0) if to is None else to, drop_log=drop_log)
    if as_json:
        print_json({"taken_back": done, "version": migrations.status(conn).version})
        return
    for title in done:
        click.echo(f"took back {title}")
    click.echo(f"evtrack's schema is in version {migrations.status(conn).version}")


@migrate.command()
@json_option
@click.pass_context
@connected("migrate", schema=False, owner=True)
def status(conn: Connection, ctx: click.Context, *, as_json: bool) -> None:
    """Say what is applied and what is not; exit code 4 if `up` has something to do, or the schema is too new."""
    now = migrations.status(conn)
    if as_json:
        print_json(
            {
                "version": now.version,
                "latest": now.latest,
                "pending": now.pending,
                "stale_objects": now.stale_objects,
                "current": now.current,
            }
        )
    else:
        click.echo(f"schema version {now.version}, this evtrack brings {now.latest}")
        for title in now.pending:
            click.echo(f"not applied: {title}")
        # Where nothing is applied, every one of them is missing, and a list would hide what matters.
        for path in now.stale_objects if now.version else ():
            click.echo(f"differs: {path}")
        if not now.current:
            click.echo("Run `evtrack migrate up`.")
    _refuse_newer(conn, now)
    if not now.current:
        ctx.exit(_NOT_CURRENT)


@migrate.command("sql")
@click.option("--after", type=_VERSION, default=0, show_default=True, help="The version that is there already.")
def print_sql(after: int) -> None:
    """Print what `up` does as SQL for psql or any other tool."""
    for piece in migration_script(after=after):
        click.echo(piece, nl=False)


@migrate.command()
@click.option("--print-sql", is_flag=True, help="Connect to nothing; print the SQL for a DBA who runs it by psql.")
@dsn_option
def roles(dsn: str | None, *, print_sql: bool) -> None:
    """Make the roles of producers, workers, watchers and readers, and grant them what they need in this database."""
    if print_sql:
        click.echo(storage_roles.roles_script(), nl=False)
        return
    with running_server(settings_from(dsn=dsn)) as there, connect(there, purpose="migrate") as conn, translated():
        require_owner(conn)
        check_schema(conn)
        made = storage_roles.create_roles(conn)
    for role in made:
        click.echo(f"made {role}")
    click.echo("each of evtrack's roles has its rights here; give one to a user: GRANT evtrack_worker TO somebody")


def _refuse_newer(conn: Connection, now: migrations.Status) -> None:
    # "Nothing to do" would be a lie where every other command refuses to run.
    if now.version > now.latest:
        check_schema(conn)
