"""Notes about invalid items: all are counted, the first ones are kept."""

from collections.abc import Mapping

# An event holds at most this many notes; the others are only counted.
MAX_NOTES = 100
_MAX_REASON = 300
_MAX_KEY = 200


class Notes:
    """Collects notes."""

    def __init__(self) -> None:
        self.total = 0
        self.kept: list[Mapping[str, str]] = []

    def add(self, *, part: str, line: int | None, reason: str, key: str | None = None) -> None:
        """Note an invalid item.

        Args:
            part: The name of its file.
            line: Its line in the file.
            reason: What is wrong with it.
            key: Its key, if it has one.
        """
        self.total += 1
        if len(self.kept) < MAX_NOTES:
            note = {"source": part if line is None else f"{part}:{line}", "reason": reason[:_MAX_REASON]}
            self.kept.append({**note, "key": key[:_MAX_KEY]} if key is not None else note)

    def move_to(self, other: "Notes") -> None:
        """Move all notes to another collection.

        Args:
            other: The collection that receives them.
        """
        other.total += self.total
        other.kept += self.kept[: MAX_NOTES - len(other.kept)]
        self.take()

    def take(self) -> tuple[int, list[Mapping[str, str]]]:
        """Return the number of notes and the first of them, and start again."""
        taken = self.total, self.kept
        self.total, self.kept = 0, []
        return taken
