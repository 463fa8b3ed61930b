"""The pages, a module each."""

from typing import Final

from evtrack.interfaces.web.downloads import Download
from evtrack.interfaces.web.page import AnyPage
from evtrack.interfaces.web.pages.alerts import ALERTS
from evtrack.interfaces.web.pages.batches import BATCHES
from evtrack.interfaces.web.pages.crashes import CRASHES
from evtrack.interfaces.web.pages.handlers import HANDLERS
from evtrack.interfaces.web.pages.help import HELP
from evtrack.interfaces.web.pages.hunt import HUNT
from evtrack.interfaces.web.pages.items import ITEMS
from evtrack.interfaces.web.pages.job import JOB
from evtrack.interfaces.web.pages.job_moment import JOB_MOMENT
from evtrack.interfaces.web.pages.jobs import JOBS
from evtrack.interfaces.web.pages.now import NOW
from evtrack.interfaces.web.pages.proof import PROOF
from evtrack.interfaces.web.pages.storage import STORAGE
from evtrack.interfaces.web.pages.story import BATCH_RESULTS, EVENT_TEXTS, STORY, STORY_MARKDOWN
from evtrack.interfaces.web.pages.workers import WORKER, WORKERS

PAGES: Final[tuple[AnyPage, ...]] = (
    NOW,
    JOBS,
    JOB,
    JOB_MOMENT,
    BATCHES,
    STORY,
    HUNT,
    CRASHES,
    ITEMS,
    HANDLERS,
    WORKERS,
    WORKER,
    ALERTS,
    PROOF,
    STORAGE,
    HELP,
)
"""All pages; the first one whose path fits is taken."""

DOWNLOADS: Final[tuple[Download, ...]] = (STORY_MARKDOWN, EVENT_TEXTS)
"""All texts to download."""

RESULT_DOWNLOADS: Final[tuple[Download, ...]] = (BATCH_RESULTS,)
"""What is there where results are shown."""
