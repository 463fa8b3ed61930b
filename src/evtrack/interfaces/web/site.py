"""Everything that the pages share: what they read with, and how they are rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evtrack.runtime.acts.act_runner import ActRunner
from evtrack.storage.connection.session_facts import SessionFacts, session_facts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from evtrack.interfaces.web.page import Visit
    from evtrack.interfaces.web.rendering import Renderer
    from evtrack.runtime.doctor.checkups import CheckUps
    from evtrack.runtime.live.hub import Hub
    from evtrack.runtime.live.reader_pool import ReaderPool
    from evtrack.storage.connection.connect import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read in one snapshot: the session, and the page's model."""

    session: SessionFacts
    page: Any


@dataclass(frozen=True, slots=True)
class Site:
    """One dashboard.

    Args:
        pool: Reads pages.
        hub: Reads what is watched.
        renderer: Renders both.
        checkups: Runs check-ups.
        show_results: Whether pages show the results of handlers.
        acts: Runs what users do to the queue.
    """

    pool: ReaderPool
    hub: Hub
    renderer: Renderer
    checkups: CheckUps
    show_results: bool = False
    acts: ActRunner = field(default_factory=ActRunner)

    def values(self, visit: Visit, answer: Answer) -> dict[str, Any]:
        """Return what a template may use: the model as `page`, the session, the title, and the address."""
        return {
            "page": answer.page,
            "session": answer.session,
            "args": visit.args,
            "title": visit.page.title(answer.page),
            "address": visit.address,
            "is_live": visit.page.every_s is not None,
            "show_results": self.show_results,
        }

    def topic(self, visit: Visit) -> PageTopic:
        """Return a page with its arguments as something to watch."""
        return PageTopic(self, visit)

    def close(self) -> None:
        """End the hub and all acts, and close the connections."""
        self.hub.close()
        self.acts.close()
        self.pool.close()


@dataclass(frozen=True, slots=True)
class PageTopic:
    """A page that somebody watches."""

    site: Site
    visit: Visit

    @property
    def key(self) -> Hashable:
        """The page's address, which is the same for all who ask for the same."""
        return self.visit.address

    @property
    def every_s(self) -> float:
        """How often to read it."""
        return self.visit.page.every_s or 0.0

    def read(self, conn: Connection) -> Answer:
        """Read it."""
        return Answer(session_facts(conn), self.visit.page.read(conn, self.visit.args))

    def render(self, model: Answer) -> Mapping[str, str]:
        """Render its regions."""
        return self.site.renderer.regions(self.visit.page.name, self.site.values(self.visit, model))
