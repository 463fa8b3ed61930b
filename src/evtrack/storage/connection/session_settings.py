"""The session settings that evtrack depends on, and how a new session gets them."""

from typing import Any, Final

import psycopg

from evtrack.storage.connection.sql_files import statement

# A role, a database or a server may set these to something else, and evtrack must not depend on that. A connection
# string that sets one of them in its `options` overrides this list.
SETTINGS: Final = {
    # Names are looked up only where nobody else can create any: a function or an operator in another schema of the
    # search path could take the place of PostgreSQL's own.
    "search_path": "pg_catalog, pg_temp",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    # A session that waited for a lock sees what the holder committed: finish_due() and the fold rely on it.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    # A submitter waits for its input, a watcher for alerts, and a proof takes as long as it takes. What must not wait
    # forever sets its own limits, as workers do.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    # A client whose host vanished silently is noticed after about 25 s, or 30 s while data is on its way to it. Only
    # then does the server give up what the session holds, such as the submission of a job. Sockets ignore them.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    # Compiling takes longer than evtrack's statements run.
    "jit": "off",
}

# Behind a pooler the session is not ours to change, except for these, which poolers keep for each client.
_KEPT_BY_POOLERS: Final = ("TimeZone", "DateStyle", "IntervalStyle", "standard_conforming_strings")


def configure_session(conn: psycopg.Connection[Any]) -> bool:
    """Give a new session the settings, and find out whether it goes through a pooler.

    Args:
        conn: A connection that was just opened.

    Returns:
        Whether a pooler is in between: the session's process is not the one that the client was given.

    Raises:
        psycopg.Error: Not translated, because the caller explains what went wrong while connecting.
    """
    options = conn.info.get_parameters().get("options", "")
    names = [name for name in SETTINGS if name not in options]
    values = {
        "pid": conn.info.backend_pid,
        "names": names,
        "settings": [SETTINGS[name] for name in names],
        "kept": [name in _KEPT_BY_POOLERS for name in names],
    }
    (pid, _) = conn.execute(statement("configure_session"), values).fetchall()[0]
    return bool(pid != conn.info.backend_pid)
