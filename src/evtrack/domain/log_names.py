"""Names of log lines: one constant a fact. docs/logs.md says of each when it is written and with which keys."""

from typing import Final

# A worker and the database
WORKER_REGISTERED: Final = "worker_registered"
WORKER_STOPPING: Final = "worker_stopping"
WORKER_STOPPED: Final = "worker_stopped"
WORKER_NOT_TAKEN_BACK: Final = "worker_not_taken_back"
WORKER_DECLARED_LOST: Final = "worker_declared_lost"
WORKER_LOST: Final = "worker_lost"
DATABASE_TROUBLE: Final = "database_trouble"
DATABASE_BACK: Final = "database_back"
RECONCILED: Final = "reconciled"
LIFELINE_LOST: Final = "lifeline_lost"
SESSION_LOCK_UNUSABLE: Final = "session_lock_unusable"
UPKEEP_FAILED: Final = "upkeep_failed"
PARTITIONS_MADE: Final = "partitions_made"
JOB_FINISHED: Final = "job_finished"
TRACING_UNAVAILABLE: Final = "tracing_unavailable"

# Outcomes of batches
OUTCOMES_REFUSED: Final = "outcomes_refused"
RESULTS_REFUSED: Final = "results_refused"
OUTCOME_DROPPED: Final = "outcome_dropped"
OUTCOMES_NOT_REPORTED: Final = "outcomes_not_reported"

# Slots, and what handlers say in them
SLOT_CRASHED: Final = "slot_crashed"
SLOT_ENDED_IDLE: Final = "slot_ended_idle"
SLOT_TALKS_NONSENSE: Final = "slot_talks_nonsense"
SLOT_DIED_EARLY: Final = "slot_died_before_it_was_ready"
SLOTS_KEEP_DYING: Final = "slots_keep_dying"
SLOTS_LIVE_AGAIN: Final = "slots_live_again"
HANDLER_OUTPUT: Final = "handler_output"
HANDLER_LOG: Final = "handler_log"
HANDLER_OUTPUT_SUPPRESSED: Final = "handler_output_suppressed"

# A watcher
WATCHING: Final = "watching"
NOTIFICATIONS_UNUSABLE: Final = "notifications_unusable"
ALERTS_RAISED: Final = "alerts_raised"
ALERT_CHECK_FAILED: Final = "alert_check_failed"
ALERT_SINK_FAILED: Final = "alert_sink_failed"
ALERT_SINK_GAVE_UP: Final = "alert_sink_gave_up"
METRICS_SERVED: Final = "metrics_served"
METRICS_UNREAD: Final = "metrics_unread"

# Submitting, and looking on
SUBMITTING: Final = "submitting"
CLEANING_UP: Final = "cleaning_up"
VERIFYING: Final = "verifying"
SUBMISSION_WAITS: Final = "submission_waits"
PROGRESS: Final = "progress"
PROGRESS_LOST: Final = "progress_lost"

# What a command says to people, where stderr is for programs
NOTICE: Final = "notice"
INTERRUPTED: Final = "interrupted"
REFUSED: Final = "refused"
