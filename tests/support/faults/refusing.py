"""Lets functions of the schema raise errors of the server for a while, in a database of a test's own."""

from collections.abc import Sequence
from typing import Any

from client import Client


class RefusedCalls:
    """A function whose calls fail with real errors of the server, one SQLSTATE after the other, and then no more.

    Args:
        queue: A session as the schema's owner.
        name: The function.
        sqlstates: The errors.
        every: 2 lets each second call pass, 1 none until the errors are used up.
    """

    def __init__(self, queue: Client, name: str, sqlstates: Sequence[str], *, every: int = 2) -> None:
        self._queue, self._name, self._calls = queue, name, every * len(sqlstates)
        # Moved, not renamed: a function's body may name its parameters with the function's name.
        queue.conn.execute(f"CREATE SCHEMA IF NOT EXISTS passed; CREATE SEQUENCE evtrack.refused_{name}".encode())
        for row in queue.rows(
            "SELECT pg_get_function_arguments(p.oid) AS arguments,"
            " pg_get_function_identity_arguments(p.oid) AS identity,"
            " pg_get_function_result(p.oid) AS result, p.pronargs AS count, p.proretset AS is_set"
            " FROM pg_proc p WHERE p.pronamespace = 'evtrack'::regnamespace AND p.proname = %s",
            name,
        ):
            self._wrap(every, sqlstates, row)

    def _wrap(self, every: int, sqlstates: Sequence[str], row: dict[str, Any]) -> None:
        name, arguments, result = self._name, row["arguments"], row["result"]
        call = f"passed.{name}({', '.join(f'${number}' for number in range(1, row['count'] + 1))})"
        passed = f"RETURN QUERY SELECT * FROM {call}" if row["is_set"] else f"RETURN {call}"
        if result == "void":
            passed = f"PERFORM {call}"
        states = ", ".join(f"'{state}'" for state in sqlstates)
        self._queue.conn.execute(
            f"ALTER FUNCTION evtrack.{name}({row['identity']}) SET SCHEMA passed;"
            f"CREATE FUNCTION evtrack.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql SECURITY DEFINER AS $body$"
            f" DECLARE the_call bigint := nextval('evtrack.refused_{name}');"
            f" the_states text[] := ARRAY[{states}]::text[];"
            f" BEGIN IF the_call % {every} = {1 % every} AND (the_call - 1) / {every} < cardinality(the_states) THEN"
            f" RAISE EXCEPTION 'injected' USING ERRCODE = the_states[(the_call - 1) / {every} + 1]; END IF;"
            f" {passed}; END $body$".encode()
        )

    @property
    def are_over(self) -> bool:
        """Whether all errors were raised, and a call has passed since."""
        return bool(
            self._queue.one(f"SELECT last_value >= {self._calls} AND is_called FROM evtrack.refused_{self._name}")
        )
