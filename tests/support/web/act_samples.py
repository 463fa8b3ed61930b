"""Models of the pages of acts, whose texts from outside are all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack.interfaces.web.acts.act_endpoint import Question
from evtrack.interfaces.web.acts.kinds import Preview, Target
from evtrack.runtime.acts.queue_act import ActReport, ActState
from evtrack.storage.reports.item_lists import ItemPlace
from page_samples import AT, Sample, batch

if TYPE_CHECKING:
    from collections.abc import Callable


def _question(text: str) -> Sample:
    preview = Preview(2_000, "They wait.", text, batches=[batch(text)])
    page = Question(text, "/jobs/12/retry", "batch", preview, must_type=True, problem=text, is_final=True)
    return Sample(Target(12, 7, "failed"), page)


def _item_question(text: str) -> Sample:
    item = ItemPlace(12, 3, text, "failed", 7, 2, text, [1, 7], 4, AT, AT, text, text, "sealed", AT.date())
    preview = Preview(1, "It waits.", text, items=[item])
    page = Question(text, "/jobs/12/quarantine", "item", preview, must_type=False, problem="", is_final=True)
    return Sample(Target(12, key=text), page)


def _refused_question(text: str) -> Sample:
    page = Question(text, "/jobs/12/retry", "batch", Preview(0, "", text, text), False, "", False)
    return Sample(Target(12), page)


def _progress(text: str, state: ActState = ActState.RUNNING, error: str = "") -> Sample:
    report = ActReport(
        number=9, title=text, user=text, job_id=12, state=state, noun="batch", expected=900, changed=500, asked_at=AT,
        begun_at=AT, ended_at=AT, result=text, error=error, notes=(text, text), can_stop=state == ActState.RUNNING,
    )  # fmt: skip
    return Sample(None, report)


def _failed(text: str) -> Sample:
    return _progress(text, ActState.FAILED, text)


ACT_SAMPLES: dict[str, Callable[[str], Sample]] = {
    "acts/question": _question,
    "acts/question:item": _item_question,
    "acts/question:refused": _refused_question,
    "acts/progress": _progress,
    "acts/progress:failed": _failed,
}
"""What makes a model of a text, by template; a template that shows several things has a name for each."""
