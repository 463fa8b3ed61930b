"""What a check-up finds: one thing each, with what to do next where something is to be done."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what was looked at and how it is.

    Args:
        check: What was looked at, in a word.
        level: Whether something is to be done.
        says: What is so, or what is wrong.
        next: What to do; most often a command. Empty where nothing is to be done.
    """

    check: str
    level: Level
    says: str
    next: str = ""


def ok(check: str, says: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, Level.OK, says)


def note(check: str, says: str, next_step: str = "") -> Finding:
    """Say something worth knowing that needs no action."""
    return Finding(check, Level.NOTE, says, next_step)


def problem(check: str, says: str, next_step: str) -> Finding:
    """Say that something is wrong, and what to do."""
    return Finding(check, Level.PROBLEM, says, next_step)
