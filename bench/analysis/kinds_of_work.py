"""Sorts the samples of a profile of a server process into kinds of work, by the functions in their stacks."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from support.commands import wait_until

_DIGEST = frozenset({
    "text_concat_ws", "extract_timestamptz", "cryptohash_internal", "byteacat", "byteaoctetlen", "bytea_substr",
    "bytea_substr_no_len", "pg_convert_to", "int8send", "int4send", "int2send", "timestamptz_send", "jsonb_send",
})  # fmt: skip
_JSONB = frozenset(
    {"jsonb_build_object", "jsonb_strip_nulls", "jsonb_in", "jsonb_object_field", "jsonb_object_field_text"}
)
_PLANNING = frozenset({"_SPI_prepare_plan", "pg_plan_queries", "BuildCachedPlan", "exec_parse_message"})
_STORES = frozenset({"tuplestore_puttupleslot", "tuplestore_gettupleslot", "AfterTriggerSaveEvent"})
_LOOK_UPS = frozenset({"IndexNext", "index_getnext_slot", "btgettuple", "index_rescan"})
_CHECKS = frozenset({"ExecConstraints", "ExecPartitionCheck", "ExecFindPartition"})

# The first kind whose functions are in a sample's stack has it.
_KINDS = (
    ("digests", _DIGEST),
    ("indexes", frozenset({"ExecInsertIndexTuples"})),
    ("row locks", frozenset({"heapam_tuple_lock"})),
    ("new row versions", frozenset({"heapam_tuple_update"})),
    ("new rows", frozenset({"heapam_tuple_insert", "heap_insert"})),
    ("look-ups", _LOOK_UPS),
    ("transition tables, results", _STORES),
    ("checks, routing to a partition", _CHECKS),
    ("sorts", frozenset({"ExecSort"})),
    ("jsonb", _JSONB),
    ("start and end of plans", frozenset({"standard_ExecutorStart", "standard_ExecutorEnd"})),
    ("expressions", frozenset({"ExecInterpExpr"})),
)


class Profile:
    """Records a server process with perf; to be used as a context manager.

    Args:
        pid: The process.
        directory: Where the samples are written.
    """

    def __init__(self, pid: int, directory: Path) -> None:
        self._data = directory / "perf.data"
        options = ["-q", "-o", str(self._data), "-F", "1500", "--call-graph", "dwarf,16384", "-p", str(pid)]
        self._recorder = subprocess.Popen(["perf", "record", *options], stderr=subprocess.DEVNULL)  # noqa: S603, S607
        # Before it has begun, it would end without a file that can be read.
        wait_until(lambda: self._data.exists() and self._data.stat().st_size > 0, self._recorder)

    def shares(self) -> dict[str, float]:
        """End the recording, and return the share of each kind of work, the largest first.

        `the call` is what the functions claim() and complete() do themselves, the INSERT into the log included;
        `the fold` is what the log's trigger does.
        """
        self._recorder.send_signal(2)
        self._recorder.wait(60)
        counts: Counter[str] = Counter(_kind_of(stack) for stack in self._stacks())
        return {kind: count / counts.total() for kind, count in counts.most_common()}

    def _stacks(self) -> Iterator[list[str]]:
        # From the innermost function outwards.
        script = ["perf", "script", "-i", str(self._data), "-F", "ip,sym", "--no-inline"]
        printed = subprocess.run(script, check=True, capture_output=True, text=True, timeout=300).stdout  # noqa: S603
        for sample in printed.split("\n\n"):
            lines = [line.split(maxsplit=1) for line in sample.splitlines() if line.strip()]
            if lines:
                yield [line[-1] for line in lines]


def _kind_of(stack: list[str]) -> str:
    functions = frozenset(stack)
    if "CommitTransaction" in functions:
        return "commit, WAL flushed"
    if functions & _PLANNING:
        return "parse and plan"
    if not functions & {"standard_ExecutorRun", "standard_ExecutorFinish", "PortalRun"}:
        return "protocol, waiting"
    if "plpgsql_exec_trigger" in functions:
        if "plpgsql_exec_function" in stack[: stack.index("plpgsql_exec_trigger")]:
            return "the fold: counters"
        where = "the fold"
    else:
        where = "the call"
    for kind, names in _KINDS:
        if functions & names:
            return f"{where}: {kind}"
    return f"{where}: plan nodes, plpgsql"
