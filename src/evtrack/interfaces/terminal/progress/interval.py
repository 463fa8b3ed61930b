"""How often a long command says how far it is where nobody watches."""

import time
from typing import Final

EVERY_S: Final = 5.0


class Seldom:
    """Tells when a log line is due, the first time after a while: what ends sooner needs none."""

    def __init__(self) -> None:
        self._next_at = time.monotonic() + EVERY_S

    def is_due(self) -> bool:
        """Tell whether a line is due; if so, the next one is in a while again."""
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + EVERY_S
        return True
