"""The pages of acts: what they ask, what they say afterwards, and that they look as the others do."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from chromium import Visitor, served, visiting
from looks import SIZES, THEMES, faults, violations
from world import BROKEN, NOWHERE, World


@pytest.fixture
def actor(browser: Browser, world: World) -> Iterator[Visitor]:
    """A user who may act."""
    with served(world.viewer, act_as=world.dsn) as dashboard, visiting(browser, dashboard) as visitor:
        yield visitor


def _questions(world: World) -> dict[str, str]:
    return {
        "suspend": f"/jobs/{world.running}/suspend",
        "resume": f"/jobs/{world.suspended}/resume",
        "cancel": f"/jobs/{world.running}/cancel",
        "retry": f"/jobs/{world.failed}/retry",
        "retry of nothing": f"/jobs/{world.done}/retry",
        "retry of an item": f"/jobs/{world.poison}/retry-items?key=doc:{BROKEN[0]}",
        "quarantine": f"/jobs/{world.unserved}/quarantine?key=key:3",
    }


@pytest.mark.parametrize("name", _questions(NOWHERE))
def test_the_question_of_an_act_looks_right(name: str, actor: Visitor, world: World) -> None:
    page = actor.visit(_questions(world)[name])
    found = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        found += [(size, fault) for fault in faults(page)]
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        found += [(theme, *each) for each in violations(page)]
    assert [] == found


def test_a_job_is_suspended_and_resumed_by_keyboard(actor: Visitor, world: World) -> None:
    page = actor.visit(f"/jobs/{world.unserved}")
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
