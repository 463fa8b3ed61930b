"""Renders templates: everything from outside is made printable first, and then escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evtrack.domain.text import printable
from evtrack.interfaces.web.address import link
from evtrack.interfaces.web.charts.bar import share_bar
from evtrack.interfaces.web.charts.icicle import icicle, swatch
from evtrack.interfaces.web.charts.slots import slot_boxes
from evtrack.interfaces.web.job_drawing import job_bar, job_timeline
from evtrack.interfaces.web.static_files import static_address
from evtrack.interfaces.words.causes import crash_cause, crash_fate
from evtrack.interfaces.words.formatting import (
    bytes_of,
    count,
    counted,
    duration,
    moment,
    moment_ms,
    pace_of,
    percentage,
    rate_of,
)
from evtrack.interfaces.words.proof_badge import proof_badge
from evtrack.interfaces.words.stories import elapsed
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evtrack.storage.reports.job_reports import JobStatus

_TEMPLATES: Final = Path(__file__).parent / "templates"

MENU: Final = (
    ("/", "Overview", "o"),
    ("/jobs", "Jobs", "j"),
    ("/crashes", "Crashes", "c"),
    ("/items", "Items", "i"),
    ("/handlers", "Handlers", "h"),
    ("/workers", "Workers", "w"),
    ("/alerts", "Alerts", "a"),
    ("/proof", "Proof", "p"),
    ("/storage", "Storage", "s"),
    ("/doctor", "Check-up", "d"),
)
"""The pages that every page links to, each with the key that leads there after `g`."""

LIVE: Final = "live_"
"""The blocks of a template whose names begin so are its regions: they are sent again when they have changed."""


class Renderer:
    """Renders pages below a prefix.

    Args:
        prefix: Where the application is mounted, without a slash at the end.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "plain": plain,
            "moment": _time,
            "moment_ms": _time_ms,
            "moment_text": moment,
            "duration": lambda seconds: "-" if seconds is None else duration(seconds),
            "count": count,
            "percentage": percentage,
            "bytes": lambda number: "-" if number is None else bytes_of(number),
            "pace": lambda pace: pace_of(pace) or "-",
            "left": _left,
            "age": lambda at, now: duration(max(0.0, (now - at).total_seconds())),
            "cause": crash_cause,
            "fate": crash_fate,
            "elapsed": elapsed,
            "rate": rate_of,
        }
        self._environment.globals |= {
            "counted": counted,
            "link": self.link,
            "asset": self._asset,
            "bar": job_bar,
            "share_bar": share_bar,
            "slot_boxes": slot_boxes,
            "proof_word": proof_badge,
            "timeline_chart": job_timeline,
            "icicle": icicle,
            "icicle_swatch": swatch,
            "menu": MENU,
            "here": _is_here,
            "version": __version__,
        }
        # A block that is rendered by itself sees globals, and nothing that its template imports.
        self._environment.globals["parts"] = self._environment.get_template("frame/parts.html").module

    @property
    def cookie_path(self) -> str:
        """The path that cookies are for."""
        return self.prefix or "/"

    def link(self, path: str, **query: object) -> str:
        """Write an address, below the prefix."""
        return self.prefix + link(path, **query)

    def page(self, name: str, values: Mapping[str, Any]) -> str:
        """Render a whole page.

        Args:
            name: Its template, without .html.
            values: What it shows.
        """
        return self._environment.get_template(f"{name}.html").render(values)

    def regions(self, name: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Render the regions of a page by name.

        Args:
            name: Its template, without .html.
            values: What it shows.
        """
        template = self._environment.get_template(f"{name}.html")
        context = template.new_context(dict(values))
        found = (block for block in template.blocks if block.startswith(LIVE))
        return {block.removeprefix(LIVE): "".join(template.blocks[block](context)) for block in found}

    def _asset(self, name: str) -> str:
        return self.prefix + static_address(name)


def plain(text: object, limit: int = 0) -> str:
    """Make text from outside safe to show: controls, escapes, direction marks and what is invisible are written out.

    Args:
        text: Anything; a template escapes it afterwards, as it does with any string.
        limit: The most characters to keep; 0 keeps all.
    """
    return printable(text, limit)


def _time(at: datetime | None) -> str | Markup:
    return "-" if at is None else _tagged(at, moment(at))


def _time_ms(at: datetime | None) -> str | Markup:
    return "-" if at is None else _tagged(at, moment_ms(at))


def _tagged(at: datetime, shown: str) -> Markup:
    exact = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Markup('<time datetime="{}">{}</time>').format(exact, escape(shown))


def _left(job: JobStatus, now: datetime) -> str:
    """Write in how long a job will have ended, if that can be expected."""
    return "-" if job.eta is None else duration(max(0.0, (job.eta - now).total_seconds()))


def _is_here(path: str, address: str) -> bool:
    return address.partition("?")[0] == path or (path != "/" and address.startswith((f"{path}/", f"{path}?")))
