"""What users install: the wheel, built from the source distribution, in a clean environment."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = tmp_path_factory.mktemp("packaging")
    # Without isolation: the build back end is installed already, in the version that the tests know.
    _ok(_run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, _CHECKOUT, cwd=folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ directory of a clean environment with the wheel and its requirements, without extras."""
    return _environment(tmp_path_factory.mktemp("bare"), str(wheel))


def _environment(folder: Path, requirement: str) -> Path:
    uv = shutil.which("uv")
    if uv:
        _ok(_run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder))
        _ok(_run(uv, "pip", "install", "--quiet", "--python", folder / "venv/bin/python", requirement, cwd=folder))
    else:
        _ok(_run(sys.executable, "-m", "venv", folder / "venv", cwd=folder))
        _ok(_run(folder / "venv/bin/python", "-m", "pip", "install", "--quiet", requirement, cwd=folder))
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


def test_without_its_extra_the_dashboard_says_what_to_install(installed: Path, shared_dsn: str, tmp_path: Path) -> None:
    served = _run(installed / "evtrack", "web", "--dsn", shared_dsn, cwd=tmp_path)
    mounted = _run(installed / "python", "-c", "import evtrack.web", cwd=tmp_path)
    assert (1, 1) == (served.returncode, mounted.returncode)
    assert "pip install 'evtrack[web]'" in served.stderr
    assert "pip install 'evtrack[web]'" in mounted.stderr


def test_with_its_extra_the_dashboard_is_served(
    wheel: Path, shared_dsn: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    assert "evtrack/interfaces/web/static/vendor/LICENSE" in names
    assert not [name for name in names if name.endswith((".pyc", ".orig"))]
    installed = _environment(tmp_path_factory.mktemp("web"), f"{wheel}[web]")
    command = [str(installed / "evtrack"), "web", "--port", "0", "--auth", "none", "--dsn", shared_dsn]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        page = httpx.get(address, timeout=20)
        assert 200 == page.status_code, page.text
        linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert {"css", "js", "svg"} <= {each.rpartition(".")[2] for each in linked}
        assert {200} == {httpx.get(address.rstrip("/") + each, timeout=20).status_code for each in linked}
    finally:
        process.kill()
        process.communicate()
