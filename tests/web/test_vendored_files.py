"""What was fetched from npm is what the registry has, and no page asks another host for anything."""

import hashlib
import re
from pathlib import Path

import pytest

import evtrack.interfaces.web

CHECKOUT = Path(__file__).resolve().parents[2]
ROOM = Path(evtrack.interfaces.web.__file__).parent
VENDORED = [ROOM / "static" / "vendor", CHECKOUT / "tests" / "browser" / "axe"]
PAGES = sorted(
    path
    for path in [*(ROOM / "templates").rglob("*"), *(ROOM / "static").rglob("*")]
    if path.is_file() and path.name not in {"LICENSE", "SOURCE"}
)
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
"""Names, which nobody fetches."""


@pytest.mark.parametrize("directory", VENDORED, ids=lambda path: path.name)
def test_vendored_files_have_the_sums_of_their_source(directory: Path) -> None:
    source, *sums = (directory / "SOURCE").read_text(encoding="ascii").splitlines()
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        if path.name != "SOURCE"
    }
    assert found == {name: digest for digest, _, name in (line.partition("  ") for line in sums)}
    assert "LICENSE" in found
    package, version, integrity = source.split()
    assert f"vendor {package} {version} \\\n    {integrity} \\\n" in (CHECKOUT / "bin" / "vendor").read_text()


@pytest.mark.parametrize("file", PAGES, ids=lambda path: path.name)
def test_no_file_of_a_page_names_another_host(file: Path) -> None:
    named = set(re.findall(r"""(?:https?:)?//[a-z][\w-]*(?:\.[\w-]+)+[^"'`)\s<>]*""", file.read_text(encoding="utf-8")))
    assert set() == named - NAMESPACES
