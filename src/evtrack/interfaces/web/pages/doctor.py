"""The check-up: whether everything that evtrack needs is in order, when somebody asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evtrack.interfaces.web.address import link
from evtrack.interfaces.web.page import Page

if TYPE_CHECKING:
    from datetime import datetime

    from evtrack.interfaces.web.address import Address
    from evtrack.runtime.doctor.checkups import CheckUps
    from evtrack.runtime.doctor.findings import Finding
    from evtrack.storage.connection.connect import Connection


@dataclass(frozen=True, slots=True)
class Doctor:
    """The latest check-up.

    Args:
        at: When it began; None if there was none.
        problems: How many findings need an operator.
        findings: What it found.
    """

    at: datetime | None
    problems: int
    findings: list[Finding]


def doctor_page(checkups: CheckUps) -> Page[bool, Doctor]:
    """Make the page of the check-up.

    Args:
        checkups: Runs them.
    """

    def read(conn: Connection, is_run: bool) -> Doctor:  # noqa: FBT001  the one argument of a page
        del conn
        found = checkups.run() if is_run else checkups.latest
        if found is None:
            return Doctor(None, 0, [])
        return Doctor(found.at, sum(each.level == "problem" for each in found.findings), found.findings)

    def parse(address: Address) -> bool:
        return address.choice("run", ("yes",)) is not None

    return Page(
        name="doctor",
        path="/doctor",
        parse=parse,
        address=lambda is_run: link("/doctor", run="yes" if is_run else None),
        read=read,
        title=lambda _: "Check-up",
        every_s=None,
    )
