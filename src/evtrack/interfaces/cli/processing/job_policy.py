"""The options of a submission that become the policy of its job."""

from typing import Any, Final

POLICY_OPTIONS: Final = {
    "max_errors": "max_errors",
    "max_crashes": "max_crashes",
    "max_losses": "max_losses",
    "max_alerts": "max_alerts",
    "backoff": "backoff_s",
    "backoff_max": "backoff_max_s",
    "start_within": "start_within_s",
    "timeout": "timeout_s",
    "stall": "stall_s",
    "max_rss": "max_rss_bytes",
}
"""The policy's name of each option."""


def job_policy(values: dict[str, Any]) -> dict[str, Any]:
    """Return the policy of a job.

    Args:
        values: The values of the options; None for one that was not given.

    Returns:
        What was given.
    """
    least, most = values["max_rss"] or (0, 0)
    policy = {key: values[option] for option, key in POLICY_OPTIONS.items()}
    # A limit of 0 means no limit.
    policy |= {"max_rss_bytes": least or None, "max_rss_alone_bytes": most if most > least else None}
    return {key: value for key, value in policy.items() if value is not None}
