"""What can be measured of a page's looks, and what axe-core finds."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SIZES = {"phone": (360, 780), "tablet": (768, 1024), "desk": (1440, 900), "zoomed": (640, 400)}
"""The last is a window of 1280 by 800 at 200 %."""

THEMES = ("light", "dark")
"""The color schemes."""

_AXE = Path(__file__).resolve().parents[2] / "browser" / "axe" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

_FAULTS = """() => {
  const found = [];
  const name = (e) => e.outerHTML.slice(0, 120);
  const shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 0;
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("main *, header *, footer *")].filter(
      (e) => shown(e) && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table, pre, .scroll"));
    found.push(`scrolls sideways: ${root.scrollWidth} > ${innerWidth}: ${wide.slice(0, 3).map(name).join(" | ")}`);
  }
  const targets = "button, input:not([type=hidden]), select, summary, a.button, .head nav a, .tabs a";
  for (const e of document.querySelectorAll(targets)) {
    const box = (e.matches("[type=checkbox]") ? e.closest("label") ?? e : e).getBoundingClientRect();
    if (shown(e) && (box.height < 23.5 || box.width < 23.5)) {
      found.push(`target of ${Math.round(box.width)}x${Math.round(box.height)}: ${name(e)}`);
    }
  }
  for (const e of document.querySelectorAll("body *")) {
    const style = getComputedStyle(e);
    const cuts = style.textOverflow === "ellipsis" && style.overflowX !== "visible" && e.scrollWidth > e.clientWidth;
    if (cuts && shown(e) && !e.closest("[title]") && !e.querySelector("[title]")) found.push(`cut: ${name(e)}`);
  }
  return found;
}"""

_VIOLATIONS = """(tags) => axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]})
  .then((results) => results.violations.map((each) => [
    each.id, each.help, ...each.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${
      node.any.concat(node.all, node.none).map((check) => check.message).join("; ").slice(0, 200)}`)]))"""


def faults(page: Page) -> list[str]:
    """Return what is wrong with a page's layout at its present size."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


def violations(page: Page) -> list[Any]:
    """Return the rules of WCAG 2.2 A and AA, and of good practice, that a page violates."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    found: list[Any] = page.evaluate(_VIOLATIONS, _TAGS)
    return found


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")
