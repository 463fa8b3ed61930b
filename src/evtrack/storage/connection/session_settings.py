"""The settings of a session that evtrack depends on, and how a new session gets them."""

from typing import Any, Final

import psycopg

from evtrack.storage.connection import statements

# What a role, a database or a server may have set and evtrack is not to depend on. A connection string that sets one of
# them in its `options` goes before.
SETTINGS: Final = {
    # Names are looked for where nobody else may make any: a function or an operator in a schema of the search path
    # could stand in for PostgreSQL's own.
    "search_path": "pg_catalog, pg_temp",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    # Who waits for a lock sees what its holder has committed: finish_due() and the fold count on it.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    # A submitter waits for its input, a watcher for alerts, and a proof for as long as it takes. What is not to wait
    # for ever bounds itself, as workers do.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    # It compiles for longer than evtrack's statements run.
    "jit": "off",
}

# Behind a pooler the session is not ours to change, but for these, which poolers keep a client.
_KEPT_BY_POOLERS: Final = ("TimeZone", "DateStyle", "IntervalStyle", "standard_conforming_strings")


def settle(conn: psycopg.Connection[Any]) -> bool:
    """Give a new session the settings, and find out whether it is one's own.

    Args:
        conn: A connection that was just opened.

    Returns:
        Whether a pooler is in between: the session's process is another one than the client was told.
    """
    told = conn.info.get_parameters().get("options", "")
    names = [name for name in SETTINGS if name not in told]
    values = {
        "pid": conn.info.backend_pid,
        "names": names,
        "settings": [SETTINGS[name] for name in names],
        "kept": [name in _KEPT_BY_POOLERS for name in names],
    }
    row = conn.execute(statements.statement("settle_session"), values).fetchone()
    return row is not None and bool(row[0] != conn.info.backend_pid)
