"""The pages, a module each."""

from typing import Final

from evtrack.interfaces.web.downloads import Download
from evtrack.interfaces.web.page import AnyPage
from evtrack.interfaces.web.pages.hunt import HUNT
from evtrack.interfaces.web.pages.job import JOB
from evtrack.interfaces.web.pages.jobs import JOBS
from evtrack.interfaces.web.pages.now import NOW
from evtrack.interfaces.web.pages.story import EVENT_TEXTS, STORY, STORY_MARKDOWN

PAGES: Final[tuple[AnyPage, ...]] = (NOW, JOBS, JOB, STORY, HUNT)
"""All pages; the first one whose path fits is taken."""

DOWNLOADS: Final[tuple[Download, ...]] = (STORY_MARKDOWN, EVENT_TEXTS)
"""All texts to download."""
