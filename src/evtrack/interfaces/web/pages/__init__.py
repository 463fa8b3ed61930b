"""The pages, a module each."""

from typing import Final

from evtrack.interfaces.web.page import AnyPage
from evtrack.interfaces.web.pages.now import NOW

PAGES: Final[tuple[AnyPage, ...]] = (NOW,)
"""All pages; the first one whose path fits is taken."""
