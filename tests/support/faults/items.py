"""The items of the fault tests: how each must end is known, so whoever is blamed wrongly shows."""

import json


def outcome_of(number: int) -> str:
    """Return how an item must end."""
    if number % 500 == 99:
        return "crashed"
    return "failed" if number % 250 == 13 else "completed"


def item(number: int, of: int, do: str | None = None) -> str:
    """Return an item of a job as JSON; `do` is what its handler does, if not what its number says."""
    if do is None:
        do = {"crashed": "segv", "failed": "raise"}.get(outcome_of(number)) or ("once" if number % 50 == 7 else "")
    return json.dumps({"id": number, "n": number, "of": of, "do": do})
