"""The pages of acts: what they ask, what they say afterwards, and that they look as the others do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from chromium import Visitor, visiting
from evtrack.interfaces.web.serving.dashboard import ServedDashboard
from looks import faults, violations
from world import BROKEN, NOWHERE, World


@pytest.fixture(scope="module")
def actor(browser: Browser, acting: ServedDashboard) -> Iterator[Visitor]:
    """A user who may act, and stays in one tab."""
    with visiting(browser, acting) as visitor:
        visitor.page()
        yield visitor


def _questions(world: World) -> dict[str, str]:
    return {
        "suspend": f"/jobs/{world.running}/suspend",
        "resume": f"/jobs/{world.suspended}/resume",
        "cancel": f"/jobs/{world.running}/cancel",
        "retry": f"/jobs/{world.failed}/retry",
        "retry-nothing": f"/jobs/{world.done}/retry",
        "retry-item": f"/jobs/{world.poison}/retry-items?key=doc:{BROKEN[0]}",
        "quarantine": f"/jobs/{world.unserved}/quarantine?key=key:3",
    }


@pytest.mark.parametrize("name", _questions(NOWHERE))
def test_the_question_of_an_act_looks_right(name: str, actor: Visitor, world: World, pictures: Path | None) -> None:
    page = actor.context.pages[0]
    page.goto(actor.origin + _questions(world)[name])
    found = [
        *faults(page, pictures, f"act-{name}", is_variant=name not in {"retry", "cancel"}),
        *actor.complaints.take(),
    ]
    assert not found, "\n".join(found)


def test_a_job_is_suspended_and_resumed_by_keyboard(actor: Visitor, world: World) -> None:
    page = actor.context.pages[0]
    page.goto(f"{actor.origin}/jobs/{world.unserved}")
    for act, other in (("Suspend", "Resume"), ("Resume", "Suspend")):
        page.get_by_role("link", name=f"{act}…").focus()
        page.keyboard.press("Enter")
        button = page.locator("form.act button")
        button.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/acts/\d+$"))
        expect(page.locator("#act")).to_contain_text("Done")
        assert [] == violations(page)
        page.get_by_role("link", name=f"Job {world.unserved}", exact=True).last.click()
        expect(page.get_by_role("link", name=f"{other}…")).to_be_visible()
