"""Failing assertions of the model that a state machine holds the queue against show their values."""

import pytest

pytest.register_assert_rewrite("queue_model")
