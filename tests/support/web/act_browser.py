"""A browser without scripts, for acts: it opens pages, fills in their only form of an act, and follows answers."""

from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
from starlette.types import ASGIApp

from client import Client
from dashboards import FORM, ask


class Form(NamedTuple):
    """A form: where it goes, its fields, and what its button says."""

    action: str
    fields: dict[str, str]
    button: str


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._is_inside = self._is_button = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = given.get("method") == "post" and given.get("class") in {"act", "stop"}
            if self._is_inside:
                self.found.append(Form(given["action"], {}, ""))
        elif self._is_inside and tag == "input":
            self.found[-1].fields[given["name"]] = given.get("value", "")
        self._is_button = self._is_inside and tag == "button"

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "form"
        self._is_button = False

    def handle_data(self, data: str) -> None:
        if self._is_button:
            form = self.found.pop()
            self.found.append(form._replace(button=form.button + data))


class ActBrowser:
    """Uses a dashboard.

    Args:
        app: The dashboard.
        **headers: What it sends with each request.
    """

    def __init__(self, app: ASGIApp, **headers: str) -> None:
        self._app, self._headers = app, headers

    def get(self, address: str) -> httpx.Response:
        """Open a page."""
        return ask(self._app, ("GET", address, {"headers": self._headers}))[0]

    def post(self, address: str, **fields: str) -> httpx.Response:
        """Send a form, without looking at its page before."""
        given: dict[str, Any] = {"headers": FORM | self._headers, "content": urlencode(fields)}
        return ask(self._app, ("POST", address, given))[0]

    def forms(self, page: httpx.Response) -> list[Form]:
        """Return the forms of acts on a page."""
        parser = _Forms()
        parser.feed(page.text)
        return parser.found

    def press(self, address: str, **fields: str) -> httpx.Response:
        """Open a page, fill in its form, send it, and follow the answer."""
        page = self.get(address)
        assert 200 == page.status_code, page.text
        (form,) = self.forms(page)
        assert fields.keys() <= form.fields.keys(), form
        answer = self.post(form.action, **(form.fields | fields))
        return self.follow(answer)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Open the page that an answer leads to."""
        return self.get(answer.headers["location"]) if 303 == answer.status_code else answer

    def report(self, page: httpx.Response) -> dict[str, Any]:
        """Return what a page of an act says, as JSON says it."""
        found: dict[str, Any] = self.get(f"{page.url.path}.json").json()["page"]
        return found


def failed_job(queue: Client, batches: int = 1, **job: int) -> int:
    """Make a job whose batches have all failed for good."""
    job_id, worker = queue.job(batches, max_errors=1, **job), queue.worker()
    queue.fail(worker, queue.claim(worker, job_id, fresh=batches))
    assert queue.one("SELECT evtrack.finish_due(%s)", job_id)
    return job_id


def written(queue: Client) -> str:
    """Return what grows with everything that is written to the log."""
    return str(queue.one("SELECT (count(*), max(seq), max(at))::text FROM evtrack.event"))
