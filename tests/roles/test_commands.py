"""Each command works for a user with its role, and tells any other user which role is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from command_line import evtrack
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.error_translation import permission_hint
from polling import eventually
from watchers import running_watcher

pytestmark = pytest.mark.integration

AsRole = Callable[[str], str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of three items, of which one makes its process die."""
    path = tmp_path / "items.jsonl"
    path.write_text("".join(f'{{"id": "doc:{n}"}}\n' for n in range(3)))
    return path


def here(*command: str, dsn: str) -> Result:
    """Run a command in this process, which spares the time that one of its own takes to start."""
    return CliRunner().invoke(cli, [*command, "--dsn", dsn])


def number(text: str) -> str:
    """Return the job's number that submit printed."""
    return next(word for word in text.split() if word.isdecimal())


def test_four_users_process_a_job_together(as_role: AsRole, source: Path) -> None:
    producer, worker, watcher, reader = (
        as_role(f"evtrack_{role}") for role in ("producer", "worker", "watcher", "reader")
    )
    submitted = evtrack(
        "submit", str(source), "--handler", "h", "--batch-size", "1", "--max-pending", "100", "--dsn", producer
    )
    assert 0 == submitted.returncode, submitted.stderr
    job = number(submitted.stdout)
    program = "sh -c 'read line; case $line in *doc:1*) kill -SEGV $$;; *) echo \"$line\";; esac'"
    worked = evtrack("work", "--exec", f"h={program}", "--drain", "--slots", "1", "--dsn", worker)
    assert 0 == worked.returncode, worked.stderr
    with running_watcher(watcher) as watched:
        eventually(lambda: watched.alerts("item_poisoned"), 30)
        assert 0 == watched.end()
    for *command, expected in (
        ("status", job, "finished"),
        ("status", "finished"),
        ("jobs", "items.jsonl"),
        ("batches", job, "completed"),
        ("crashes", job, "SIGSEGV"),
        ("show", job, "2", "doc:1"),
        ("events", job, "sealed"),
        ("progress", job, "100"),
        ("results", job, "doc:2"),
        ("workers", ""),
        ("alerts", "item_poisoned"),
        ("health", "--max-crash-rate", "100", "healthy"),
    ):
        said = here(*command, dsn=reader)
        assert 0 == said.exit_code, f"{command}: {said.output}"
        assert expected in said.output, command
    for command in (("retry", job), ("suspend", job), ("resume", job), ("cancel", job)):
        assert 0 == here(*command, dsn=producer).exit_code, command


def test_run_creates_no_job_that_it_may_not_process(as_role: AsRole, source: Path, roles_dsn: str) -> None:
    with connect(roles_dsn, purpose="test") as owner:
        before = owner.execute("SELECT count(*) FROM evtrack.job").fetchone()
        said = evtrack("run", str(source), "--handler", "r", "--exec", "r=cat", "--dsn", as_role("evtrack_producer"))
        assert before == owner.execute("SELECT count(*) FROM evtrack.job").fetchone()
    assert (1, True) == (said.returncode, "Give this user the role evtrack_worker" in said.stderr)


@pytest.mark.parametrize("command", ["submit {source} --handler h", "watch --once"])
def test_a_read_only_user_is_not_mistaken_for_a_standby(
    as_role: AsRole, words: dict[str, str], roles_dsn: str, command: str
) -> None:
    with connect(roles_dsn, purpose="test") as owner:
        owner.execute("ALTER ROLE test_evtrack_everything SET default_transaction_read_only = on")
        try:
            said = evtrack(*command.format(**words).split(), "--dsn", as_role("everything"))
        finally:
            owner.execute("ALTER ROLE test_evtrack_everything RESET default_transaction_read_only")
    assert 5 == said.returncode, said.stderr
    refusal = said.stderr[said.stderr.index("Error: ") :]
    assert "The setting default_transaction_read_only is on for this user, this database or the server" in refusal
    assert "standby" not in refusal


def test_run_needs_both_roles(as_role: AsRole, source: Path) -> None:
    said = evtrack("run", str(source), "--handler", "r", "--exec", "r=cat", "--dsn", as_role("producer and worker"))
    assert 0 == said.returncode, said.stderr


@pytest.fixture
def words(source: Path, roles_dsn: str) -> dict[str, str]:
    """What stands in braces in a command: a file, and the number of a job that is there."""
    with connect(roles_dsn, purpose="test") as owner:
        (job,) = owner.execute("SELECT job_id FROM evtrack.create_job('any')").fetchone() or ()
    return {"source": str(source), "job": str(job)}


@pytest.mark.parametrize(
    ("role", "command", "to_give"),
    [
        ("evtrack_reader", ("submit", "{source}", "--handler", "h"), "evtrack_producer"),
        ("evtrack_reader", ("suspend", "{job}"), "evtrack_producer"),
        ("evtrack_producer", ("work", "--exec", "h=cat", "--drain"), "evtrack_worker"),
        ("evtrack_worker", ("watch",), "evtrack_watcher"),
        ("evtrack_worker", ("submit", "{source}", "--handler", "h"), "evtrack_producer"),
        ("nobody", ("status",), "evtrack_reader"),
        ("nobody", ("submit", "{source}", "--handler", "h"), "evtrack_producer"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_a_missing_role_is_named_in_the_error(
    role: str, command: tuple[str, ...], to_give: str, as_role: AsRole, words: dict[str, str]
) -> None:
    said = [word.format(**words) for word in command]
    if command[0] in {"work", "watch"}:  # these have threads and connections that end with their process
        run = evtrack(*said, "--dsn", as_role(role))
        code, output = run.returncode, run.stderr
    else:
        result = here(*said, dsn=as_role(role))
        code, output = result.exit_code, result.output
    assert 1 == code, output
    assert "permission denied" in output
    assert to_give in output


@pytest.mark.parametrize(
    "command",
    [
        ("verify",),
        ("cleanup", "--older-than", "7d", "--dry-run"),
        ("archive", "restore", "nowhere"),
        ("migrate", "up"),
        ("migrate", "down"),
        ("migrate", "status"),
        ("migrate", "roles"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("role", ["nobody", "everything"])
def test_the_error_for_another_user_names_the_owner(
    role: str, command: tuple[str, ...], as_role: AsRole, roles_dsn: str
) -> None:
    with connect(roles_dsn, purpose="test") as conn:
        owner, database = conn.info.user, conn.info.dbname
    said = here(*command, dsn=as_role(role))
    assert 1 == said.exit_code, said.output
    assert f"permission denied: only {owner}, the owner of evtrack's schema" in said.output
    assert f"this user is test_evtrack_{role}" in said.output
    assert f"dbname={database} user={owner}" in said.output
    # What cannot help is not advised.
    assert "evtrack_reader" not in said.output


def test_a_member_of_the_owner_role_can_do_what_the_owner_can(as_role: AsRole, roles_dsn: str) -> None:
    with connect(roles_dsn, purpose="test") as conn:
        conn.execute(f'GRANT "{conn.info.user}" TO test_evtrack_nobody'.encode())
        try:
            said = here("verify", dsn=as_role("nobody"))
        finally:
            conn.execute(f'REVOKE "{conn.info.user}" FROM test_evtrack_nobody'.encode())
    assert 0 == said.exit_code, said.output


def test_the_printed_sql_has_the_effect_of_the_command(roles_dsn: str) -> None:
    printed = evtrack("migrate", "roles", "--print-sql")
    assert 0 == printed.returncode
    missing = "SELECT name FROM evtrack.role_right WHERE role IS NOT NULL AND granted IS NOT TRUE"
    with connect(roles_dsn, purpose="test") as conn:
        conn.execute("REVOKE EXECUTE ON FUNCTION evtrack.seal FROM evtrack_producer")
        assert [("seal",)] == conn.execute(missing).fetchall()
        conn.execute(printed.stdout.encode())
        assert [] == conn.execute(missing).fetchall()
    again = evtrack("migrate", "roles", "--dsn", roles_dsn)
    assert (0, True) == (again.returncode, "GRANT evtrack_worker TO" in again.stdout)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("permission denied to create role", "CREATEROLE"),
        ("permission denied for function claim", "evtrack_worker"),
        ("permission denied for table payload", "evtrack_producer"),
        ("permission denied for table job", "Only the owner"),
        ("must be owner of table job", "Only the owner"),
        ("permission denied for database evtrack", "GRANT CREATE ON DATABASE"),
        ("permission denied for schema evtrack", "evtrack_producer or evtrack_reader"),
        ("keine Berechtigung für Schema evtrack", "evtrack_producer or evtrack_reader"),
    ],
)
def test_a_permission_error_names_the_grant(message: str, advice: str) -> None:
    assert advice in permission_hint(message)
