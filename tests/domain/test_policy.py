"""The policy of a job: its defaults, and what it accepts."""

import pytest
from pydantic import ValidationError

from evtrack.domain.policy import Policy


def test_the_defaults_are_the_documented_ones() -> None:
    assert (Policy().model_dump(exclude_none=True)) == {
        "max_errors": 3,
        "max_crashes": 2,
        "max_losses": 2,
        "max_alerts": 60,
        "backoff_s": 1.0,
        "backoff_max_s": 300.0,
        "start_within_s": 60.0,
    }


def test_a_policy_with_invalid_values_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_errors"):
        Policy(max_errors=-1)


def test_null_means_the_default() -> None:
    assert Policy() == Policy.model_validate({"max_errors": None, "per_item": None})
    assert Policy() == Policy.model_validate(Policy())
