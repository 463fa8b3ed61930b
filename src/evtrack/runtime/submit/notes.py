"""What was wrong with invalid items: counted all, told of the first ones."""

from collections.abc import Mapping

# An event holds no more notes than this; the rest is a number.
MAX_NOTES = 100
_MAX_REASON = 300
_MAX_KEY = 200


class Notes:
    """Gather notes."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Mapping[str, str]] = []

    def add(self, *, part: str, line: int | None, reason: str, key: str | None = None) -> None:
        """Note an invalid item.

        Args:
            part: What its file is called.
            line: Its line there.
            reason: What is wrong with it.
            key: Its key, if it has one.
        """
        self.total += 1
        if len(self._kept) < MAX_NOTES:
            note = {"source": part if line is None else f"{part}:{line}", "reason": reason[:_MAX_REASON]}
            self._kept.append({**note, "key": key[:_MAX_KEY]} if key is not None else note)

    def move_to(self, other: "Notes") -> None:
        """Hand all notes over, and be empty.

        Args:
            other: Who takes them.
        """
        if self.total:
            total, kept = self.take()
            other.receive(total, kept)

    def receive(self, total: int, kept: list[Mapping[str, str]]) -> None:
        """Add what another has gathered.

        Args:
            total: How many notes.
            kept: The first of them.
        """
        self.total += total
        self._kept += kept[: MAX_NOTES - len(self._kept)]

    def take(self) -> tuple[int, list[Mapping[str, str]]]:
        """Return how many there are and the first of them, and be empty."""
        taken = self.total, self._kept
        self.total, self._kept = 0, []
        return taken
