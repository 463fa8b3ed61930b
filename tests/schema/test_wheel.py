"""What users install: the wheel, built from the source distribution, in a clean environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

_CHECKOUT = Path(__file__).parents[2]


def _run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def _ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ directory of a clean environment with the wheel and its requirements, without extras."""
    folder = tmp_path_factory.mktemp("packaging")
    # Without isolation: the build back end is installed already, in the version that the tests know.
    _ok(_run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", _CHECKOUT, cwd=folder))
    (wheel,) = (folder / "dist").glob("*.whl")
    uv = shutil.which("uv")
    if uv:
        _ok(_run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder))
        _ok(_run(uv, "pip", "install", "--quiet", "--python", folder / "venv/bin/python", wheel, cwd=folder))
    else:
        _ok(_run(sys.executable, "-m", "venv", folder / "venv", cwd=folder))
        _ok(_run(folder / "venv/bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder))
    return folder / "venv" / "bin"


def test_the_installed_wheel_migrates_and_runs(installed: Path, empty_dsn: str, tmp_path: Path) -> None:
    env = {"EVTRACK_DSN": empty_dsn}
    _ok(_run(installed / "evtrack", "migrate", "up", cwd=tmp_path, **env))
    (tmp_path / "handlers.py").write_text(
        "import evtrack\n\n\n@evtrack.handler('count')\ndef count(item):\n    return {'n': len(item['text'])}\n"
    )
    (tmp_path / "items.jsonl").write_text("".join(f'{{"id": "{n}", "text": "{"x" * n}"}}\n' for n in range(10)))
    _ok(
        _run(
            installed / "evtrack", "run", "items.jsonl", "--key", "id", "--batch-size", "3", "--import", "handlers",
            "--handler", "count", "--json", cwd=tmp_path, **env,
        )
    )  # fmt: skip
    results = _ok(_run(installed / "evtrack", "results", "1", cwd=tmp_path, **env))
    assert 10 == len(results.splitlines())


def test_without_a_server_or_the_wheel_the_error_names_both_solutions(installed: Path, tmp_path: Path) -> None:
    result = _run(installed / "evtrack", "jobs", cwd=tmp_path)
    assert result.returncode == 5
    assert "--dsn" in result.stderr
    assert "evtrack[embedded]" in result.stderr


def test_the_wheel_includes_its_types(installed: Path) -> None:
    (package,) = (installed.parent / "lib").glob("python*/site-packages/evtrack")
    assert (package / "py.typed").is_file()
    assert (package / "sql" / "queries").is_dir()
