"""Those who poll: one read serves all of them, and nobody waits for a thread for too long."""

import threading
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from dashboards import in_loop
from evtrack.domain.database_errors import NoFreeConnection
from evtrack.interfaces.web import page_threads
from evtrack.interfaces.web.live import polls as polls_module
from evtrack.interfaces.web.live.polls import Polls
from evtrack.interfaces.web.page_threads import PageThreads
from evtrack.runtime.live.hub import MAX_TOPICS, Hub
from watching import QueryTopic

if TYPE_CHECKING:
    from evtrack.interfaces.web.site import PageTopic, Site
    from evtrack.runtime.live.reader_pool import ReaderPool


class Readers:
    """Stands for a site: a hub that nobody watches, and a pool without connections."""

    def __init__(self) -> None:
        self.reads = 0
        self.hub = Hub("", purpose="test")
        self.pool = cast("ReaderPool", self)

    def read(self, query: object) -> tuple[int, None]:
        del query
        self.reads += 1
        return self.reads, None


def test_one_read_serves_all_who_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Readers()
    polls = Polls(cast("Site", site))
    topic = cast("PageTopic", QueryTopic("now"))
    versions = {polls.read(topic).version for _ in range(100)}
    assert (1, 1) == (site.reads, len(versions))
    monkeypatch.setattr(polls_module, "_FRESH_S", 0.0)
    assert polls.read(topic).version not in versions
    for number in range(2 * MAX_TOPICS):
        polls.read(cast("PageTopic", QueryTopic(str(number))))
    assert MAX_TOPICS == len(polls._polled)


def test_who_waits_too_long_for_a_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_threads, "WAIT_S", 0.2)
    go_on = threading.Event()

    async def ask() -> list[Any]:
        threads, found = PageThreads(2), []

        async def hold() -> None:
            found.append(await threads.run(go_on.wait, 10))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold)
            tasks.start_soon(hold)
            await anyio.sleep(0.05)
            with pytest.raises(NoFreeConnection):
                await threads.run(int)
            go_on.set()
        return [*found, await threads.run(int, "7")]

    assert [True, True, 7] == in_loop(ask)
