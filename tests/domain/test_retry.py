"""How the retry policy treats errors, crashes and lost workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evtrack.domain.retry import FailureKind, Policy

kinds = st.sampled_from(FailureKind)
jitters = st.floats(min_value=0, max_value=1, exclude_max=True)
policies = st.builds(
    Policy,
    max_errors=st.integers(1, 50),
    max_crashes=st.integers(1, 50),
    max_losses=st.integers(1, 50),
    backoff_s=st.floats(0, 1000),
    backoff_max_s=st.floats(0, 1000),
)


@given(policies, kinds, st.integers(1, 2000), jitters)
def test_a_retry_ends_exactly_when_the_budget_of_that_kind_is_spent(
    policy: Policy, kind: FailureKind, count: int, jitter: float
) -> None:
    assert (count >= policy.budget(kind)) == (policy.delay(kind, count=count, jitter=jitter) is None)


@given(policies, st.integers(1, 2000), jitters)
def test_the_delay_is_between_half_and_full_and_capped(policy: Policy, count: int, jitter: float) -> None:
    patient = policy.model_copy(update={"max_errors": 3000})
    delay = patient.delay(FailureKind.ERROR, count=count, jitter=jitter)
    assert delay is not None
    full = min(policy.backoff_max_s, policy.backoff_s * 2.0 ** min(count - 1, 60))
    assert full / 2 <= delay <= full


@given(st.integers(1, 1999), jitters)
def test_the_delay_never_decreases_with_the_count(count: int, jitter: float) -> None:
    policy = Policy(max_errors=3000)
    earlier = policy.delay(FailureKind.ERROR, count=count, jitter=jitter)
    later = policy.delay(FailureKind.ERROR, count=count + 1, jitter=jitter)
    assert earlier is not None
    assert later is not None
    assert earlier <= later


def test_the_first_delays_double() -> None:
    policy = Policy(max_errors=10)
    waits = [policy.delay(FailureKind.ERROR, count=count, jitter=0) for count in (1, 2, 3, 4)]
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_jitter_spreads_delays_over_their_upper_half() -> None:
    policy = Policy(max_errors=10)
    assert [2.0, 3.0, 4.0] == [
        pytest.approx(policy.delay(FailureKind.ERROR, count=3, jitter=jitter), abs=0.01) for jitter in (0, 0.5, 0.999)
    ]


@pytest.mark.parametrize("kind", [FailureKind.CRASH, FailureKind.LOSS])
def test_crashes_and_lost_workers_have_no_delay(kind: FailureKind) -> None:
    assert Policy().delay(kind, count=1, jitter=0.9) == 0.0


def test_the_budgets_are_independent() -> None:
    policy = Policy(max_errors=1, max_crashes=2, max_losses=3)
    assert [policy.budget(kind) for kind in FailureKind] == [1, 2, 3]


def test_the_defaults_are_the_documented_ones() -> None:
    assert (Policy().model_dump(exclude_none=True)) == {
        "max_errors": 3,
        "max_crashes": 2,
        "max_losses": 5,
        "max_alerts": 60,
        "backoff_s": 1.0,
        "backoff_max_s": 300.0,
        "start_within_s": 60.0,
    }


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, got {count}"):
        Policy().delay(FailureKind.ERROR, count=count, jitter=0)


@pytest.mark.parametrize("jitter", [-0.1, 1.0])
def test_a_jitter_out_of_range_is_refused(jitter: float) -> None:
    with pytest.raises(ValueError, match=rf"in \[0, 1\), got {jitter}"):
        Policy().delay(FailureKind.ERROR, count=1, jitter=jitter)


def test_a_policy_with_invalid_values_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_errors"):
        Policy(max_errors=-1)


def test_null_means_the_default() -> None:
    assert Policy() == Policy.model_validate({"max_errors": None, "per_item": None})
    assert Policy() == Policy.model_validate(Policy())
