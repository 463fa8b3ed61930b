"""docs/sql_api.md is correct: its statements run, and it lists the views' columns and the functions."""

import re

import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.sql_files import root

pytestmark = pytest.mark.integration

TEXT = (root().parent / "docs" / "sql_api.md").read_text(encoding="utf-8")
VIEWS = sorted(path.stem for path in (root() / "views").rglob("*.sql"))


def statements(text: str) -> list[str]:
    """Find the statements in a text's blocks of SQL."""
    blocks = re.findall(r"^ *```sql\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    lines = (line for block in blocks for line in re.sub(r"--[^\n]*", "", block).split(";\n"))
    return [line.strip() for line in lines if line.strip()]


def test_the_statements_run_and_return_what_the_text_claims(conn: Connection) -> None:
    section = TEXT[TEXT.index("## Tracking work that runs elsewhere") : TEXT.index("## Following the log")]
    client = Client(conn)
    (register, *rest) = statements(section)
    worker = client.one(register)
    answers = [[{"worker": worker}], *(client.rows(each.replace("483920174653", str(worker))) for each in rest)]
    claimed, completed, failed, standing = answers[2], answers[4], answers[5], answers[7]
    assert [1] == [next(iter(answers[1][0].values()))]
    assert [(1, "doc:1\ndoc:2"), (2, "doc:3")] == [(row["batch_no"], row["item_keys"]) for row in claimed]
    assert ["ok", "retry"] == [completed[0]["verdict"], failed[0]["verdict"]]
    assert [{"done": 2, "pending": 1, "failed": 0, "percent": pytest.approx(66.6)}] == standing
    others = statements(TEXT.replace(section, ""))
    assert len(others) >= 10
    for statement in others:
        client.rows(statement.replace("%", "%%") if "%" in statement else statement)


def test_every_view_is_listed_with_its_columns(client: Client) -> None:
    wrong = []
    internal = {
        row["name"] for row in client.rows("SELECT name FROM evtrack.role_right WHERE kind = 'view' AND role IS NULL")
    }
    for name in set(VIEWS) - internal:
        listed = re.search(rf"^\| `{name}` \|[^|]*\| ([^|]*) \|$", TEXT, re.MULTILINE)
        rows = client.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            f"evtrack.{name}",
        )
        there = ", ".join(row["attname"] for row in rows)
        if listed is None or listed[1] != there:
            wrong.append((name, there))
    assert [] == wrong


def test_each_role_is_listed_with_its_rights(client: Client) -> None:
    rows = client.rows("SELECT name, role FROM evtrack.role_right WHERE kind IN ('function', 'table')")
    may: dict[str, set[str]] = {}
    for row in rows:
        if row["role"]:
            may.setdefault(row["role"], set()).add(row["name"])
    listed = dict(re.findall(r"^\| `?(evtrack_\w+|each of them)`? \|[^|]*\| ([^|]*) \|$", TEXT, re.MULTILINE))
    listed = {role: set(re.findall(r"`(\w+)`", names)) for role, names in listed.items()}
    all_may = listed.pop("each of them")
    assert may == {role: names | all_may for role, names in listed.items()}
    assert not any(names & all_may for names in listed.values())


def test_every_column_of_a_claim_is_documented(client: Client) -> None:
    listed = TEXT[TEXT.index("### What a claim returns") : TEXT.index("### Housekeeping")]
    columns = client.rows(
        "SELECT unnest(proargnames[pronargs + 1:]) AS name FROM pg_proc WHERE oid = to_regproc('evtrack.claim')"
    )
    assert len(columns) == 12
    assert [] == [row["name"] for row in columns if f"`{row['name']}`" not in listed]
    client.one("SELECT evtrack.enqueue('h', '{a,b}', ARRAY['1', '{\"n\": 2}'])")
    worker = client.worker("h")
    (claim,) = client.rows("SELECT * FROM evtrack.claim(%s, '{1}', '{0}', 1, '{h}')", worker)
    assert ("{[1,3)}", "a\nb", '1\n{"n": 2}', None) == tuple(
        claim[name] for name in ("ordinals", "item_keys", "payload", "policy")
    )
    client.complete(worker, [Claim(1, 1, 1)], results=['\n"two"'])
    assert [(2, '"two"')] == [
        (row["ordinal"], row["result"]) for row in client.rows("SELECT ordinal, result FROM evtrack.item_result")
    ]


def test_every_listed_function_exists_with_the_listed_arguments(client: Client) -> None:
    listed = re.findall(
        r"`([a-z_]+)\(([^)`]*)\)`", TEXT[TEXT.index("| function |") : TEXT.index("All other functions in the schema")]
    )
    there = {
        row["proname"]: row["pronargs"]
        for row in client.rows("SELECT proname, pronargs FROM pg_proc WHERE pronamespace = 'evtrack'::regnamespace")
    }
    assert {name: len(arguments.split(", ")) if arguments else 0 for name, arguments in listed} == {
        name: there.get(name) for name, _ in listed
    }
    assert len(listed) >= 20
