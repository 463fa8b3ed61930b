"""What can be measured of a page's looks, and what axe-core finds."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

# Zoomed: a window of 1280 by 800 at 200 %.
_SIZES = {"zoomed": (640, 400), "phone": (360, 780), "tablet": (768, 1024), "desk": (1440, 900)}
_THEMES = ("light", "dark")

_AXE = Path(__file__).resolve().parents[2] / "browser" / "axe" / "axe.min.js"
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice")
# A theme changes nothing but colors, and a phone nothing but the layout: there the other rules have been tried already.
_COLORS = ("color-contrast", "link-in-text-block")
_LAYOUT = ("target-size", "scrollable-region-focusable", "landmark-unique", "region", "bypass", "page-has-heading-one")

_FAULTS = """() => {
  const found = [];
  const name = (e) => e.outerHTML.slice(0, 120);
  const shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 0;
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("main *, header *, footer *")].filter(
      (e) => shown(e) && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table, pre, .head nav"));
    found.push(`scrolls sideways: ${root.scrollWidth} > ${innerWidth}: ${wide.slice(0, 3).map(name).join(" | ")}`);
  }
  const targets = "button, input:not([type=hidden]), select, summary, a.button, .head nav a, .tabs a";
  for (const e of document.querySelectorAll(targets)) {
    const box = (e.matches("[type=checkbox]") ? e.closest("label") ?? e : e).getBoundingClientRect();
    if (shown(e) && (box.height < 23.5 || box.width < 23.5)) {
      found.push(`target of ${Math.round(box.width)}x${Math.round(box.height)}: ${name(e)}`);
    }
  }
  // Visitors want less motion.
  for (const each of document.getAnimations()) found.push(`moves: ${name(each.effect.target)}`);
  for (const e of document.querySelectorAll("body *")) {
    const style = getComputedStyle(e);
    const lasts = `${style.transitionDuration}, ${style.animationDuration}`.split(", ");
    if (lasts.some((each) => parseFloat(each) > 0)) found.push(`would move: ${name(e)}`);
    const cuts = style.textOverflow === "ellipsis" && style.overflowX !== "visible" && e.scrollWidth > e.clientWidth;
    if (cuts && shown(e) && !e.closest("[title]") && !e.querySelector("[title]")) found.push(`cut: ${name(e)}`);
  }
  return found;
}"""

_VIOLATIONS = """(runOnly) => axe.run(document, {runOnly, resultTypes: ["violations"], preload: false})
  .then((results) => results.violations.map((each) => [
    each.id, each.help, ...each.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${
      node.any.concat(node.all, node.none).map((check) => check.message).join("; ").slice(0, 200)}`)]))"""


def faults(page: Page, pictures: Path | None = None, name: str = "page", *, is_variant: bool = False) -> list[str]:
    """Look at a page in each size and theme, and with forced colors.

    Args:
        page: The page; a light one of 1440 by 900 afterwards.
        pictures: Where to put screenshots.
        name: What their names begin with.
        is_variant: Whether it has other rows than a page that is looked at in full: then only in two sizes, in light.

    Returns:
        What is wrong with its layout, what would move, and what axe-core finds.
    """
    found = [] if page.locator("h1").count() == 1 else ["not one h1"]
    for size in ("phone", "desk") if is_variant else _SIZES:
        width, height = _SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{size}: {fault}" for fault in page.evaluate(_FAULTS)]
        if pictures is not None and size != "zoomed":
            for theme in _THEMES[:1] if is_variant else _THEMES:
                page.emulate_media(color_scheme=theme)
                page.screenshot(path=pictures / f"{name}-{size}-{theme}.png", full_page=True)
            page.emulate_media(color_scheme="light")
        if size == "phone":
            found += violations(page, size, rules=_LAYOUT)
    found += violations(page, "light")
    if is_variant:
        return found
    page.emulate_media(color_scheme="dark")
    found += violations(page, "dark", rules=_COLORS)
    page.emulate_media(color_scheme="light", forced_colors="active")
    found += violations(page, "forced colors", rules=_COLORS)
    page.emulate_media(color_scheme="light", forced_colors="none")
    return found


def violations(page: Page, label: str = "", *, rules: tuple[str, ...] = ()) -> list[str]:
    """Return what a page violates of WCAG 2.2 A and AA, and of good practice.

    Args:
        page: The page.
        label: What the page looks like at present.
        rules: The rules to try, instead of all of them.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _TAGS}
    return [f"{label}: {'; '.join(each)}" for each in page.evaluate(_VIOLATIONS, only)]


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")
