"""An act: how far it is, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.interfaces.web.address import NoSuchPage, link
from evtrack.interfaces.web.page import Page

if TYPE_CHECKING:
    from evtrack.interfaces.web.address import Address
    from evtrack.runtime.acts.act_runner import ActRunner
    from evtrack.runtime.acts.queue_act import ActReport, QueueAct
    from evtrack.storage.connection.connect import Connection


def act_page(acts: ActRunner) -> Page[QueueAct, ActReport]:
    """Make the page of an act.

    Args:
        acts: Runs them.
    """

    def parse(address: Address) -> QueueAct:
        act = acts.find(address.number("act_no"))
        if act is None:
            raise NoSuchPage
        return act

    def read(conn: Connection, act: QueueAct) -> ActReport:
        del conn
        return act.report()

    return Page(
        name="acts/progress",
        path="/acts/{act_no}",
        parse=parse,
        address=lambda act: link(f"/acts/{act.number}"),
        read=read,
        title=lambda report: report.title,
        every_s=1.0,
    )
