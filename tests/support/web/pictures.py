"""Makes the pictures of docs/dashboard.md: of a job with three poison items, while it runs and afterwards."""

import logging
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import structlog
from playwright.sync_api import Page, expect

from chromium import Visitor, chromium, served, visiting
from client import Client
from command_line import evtrack, evtrack_process
from evtrack.storage.connection.connect import connect
from evtrack.storage.schema import migrations
from polling import eventually
from servers import running
from world import CHECKOUT, SAMPLE, documents, viewer_of

DIRECTORY = CHECKOUT / "docs" / "images"
MOST_BYTES = 100_000
_BROKEN = (107, 391, 730)
_RUN = ("--import", "examples.frail_parser", "--handler", "frail-parser", "--slots", "2")
_WIDTH = 1100


def make() -> None:
    """Make all of them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    DIRECTORY.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="evtrack-pictures-"))
    os.environ["EVTRACK_STATE_DIR"] = str(directory / "state")
    try:
        with running("embedded") as dsn, connect(dsn, purpose="pictures") as conn:
            migrations.up(conn)
            with (
                chromium() as browser,
                viewer_of(dsn) as viewer,
                served(viewer) as dashboard,
                visiting(browser, dashboard) as visitor,
            ):
                _shoot(dsn, Client(conn), visitor, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _shoot(dsn: str, client: Client, visitor: Visitor, directory: Path) -> None:
    done = ("--key", "sourcedb,sourceid", "--batch-size", "10", "--import", "examples.disease_stats")
    evtrack("run", SAMPLE, "--dsn", dsn, "--handler", "disease-stats", *done, cwd=CHECKOUT)
    evtrack("verify", "1", "--dsn", dsn)
    page = visitor.page()
    source = documents(directory / "documents.jsonl", number=1600, takes_s=0.03, broken=_BROKEN)
    options = ("--dsn", dsn, "--key", "id", "--batch-size", "64", *_RUN)
    with evtrack_process("run", str(source), *options, cwd=str(CHECKOUT)) as process:
        eventually(lambda: client.one("SELECT count(*) FROM evtrack.crash WHERE job_id = 2") >= 3)
        _picture(page, visitor.origin + "/", "now", height=720)
        process.communicate(timeout=120)
    root = client.one("SELECT min(root_no) FROM evtrack.batch WHERE job_id = 2 AND root_no IS NOT NULL")
    poison = client.one("SELECT min(batch_no) FROM evtrack.crash WHERE job_id = 2 AND poison")
    _picture(page, f"{visitor.origin}/jobs/2/hunt/{root}", "hunt", height=560)
    _picture(page, f"{visitor.origin}/jobs/2/batches/{poison}", "story", height=600)
    _picture(page, f"{visitor.origin}/crashes", "crashes", height=640)


# Where this checkout and its Python are is nobody's business, nor how busy the machine is.
_MASK = """(places) => {
  const texts = document.createTreeWalker(document.getElementById("content"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const [place, shown] of places) texts.currentNode.data = texts.currentNode.data.replaceAll(place, shown);
  }
  document.querySelector("#state [role=status]").textContent = "live ";
}"""
_PLACES = [(str(CHECKOUT), "/srv/app"), (sys.prefix, "/usr"), (sys.base_prefix, "/usr"), (platform.node(), "host-1")]


def _picture(page: Page, address: str, name: str, *, height: int) -> None:
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.goto(address)
    expect(page.locator("#state.live")).to_be_visible()
    page.evaluate(_MASK, _PLACES)
    file = DIRECTORY / f"dashboard-{name}.png"
    page.screenshot(path=file)
    size = file.stat().st_size
    sys.stdout.write(f"{file.relative_to(CHECKOUT)}: {size:,} bytes\n")
    assert size <= MOST_BYTES, f"{file.name} has {size} bytes"


if __name__ == "__main__":
    make()
