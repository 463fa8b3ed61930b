"""Names of log events, one constant each. docs/logs.md documents when each is logged and with which keys."""

from typing import Final

# A worker and the database
WORKER_REGISTERED: Final = "worker_registered"
WORKER_STOPPING: Final = "worker_stopping"
WORKER_STOPPED: Final = "worker_stopped"
WORKER_UNREGISTER_FAILED: Final = "worker_unregister_failed"
WORKER_DECLARED_LOST: Final = "worker_declared_lost"
WORKER_LOST: Final = "worker_lost"
DATABASE_ERROR: Final = "database_error"
DATABASE_RECONNECTED: Final = "database_reconnected"
BATCHES_RECONCILED: Final = "batches_reconciled"
HEARTBEAT_CONNECTION_LOST: Final = "heartbeat_connection_lost"
HEARTBEAT_FAILED: Final = "heartbeat_failed"
SESSION_LOCK_UNAVAILABLE: Final = "session_lock_unavailable"
MAINTENANCE_FAILED: Final = "maintenance_failed"
NOTIFY_QUEUE_FILLING: Final = "notify_queue_filling"
PARTITIONS_CREATED: Final = "partitions_created"
PREDECESSOR_REPORTED: Final = "predecessor_reported"
PREDECESSOR_NOT_REPORTED: Final = "predecessor_not_reported"
PREDECESSOR_DISCARDED: Final = "predecessor_discarded"
STATE_DIRECTORY_UNAVAILABLE: Final = "state_directory_unavailable"
RETRIES_AWAITED: Final = "retries_awaited"
JOB_FINISHED: Final = "job_finished"
JOB_NOT_FINISHED: Final = "job_not_finished"
TRACING_UNAVAILABLE: Final = "tracing_unavailable"

# Outcomes of batches
OUTCOMES_REJECTED: Final = "outcomes_rejected"
RESULTS_REJECTED: Final = "results_rejected"
SUSPECTS_LOST: Final = "suspects_lost"
OUTCOME_DROPPED: Final = "outcome_dropped"
OUTCOMES_NOT_REPORTED: Final = "outcomes_not_reported"

# Slots and the output of their handlers
SLOT_CRASHED: Final = "slot_crashed"
SLOT_EXITED_IDLE: Final = "slot_exited_idle"
SLOT_RECYCLED: Final = "slot_recycled"
MEMORY_SHARED: Final = "memory_shared"
MEMORY_NOT_LIMITED: Final = "memory_not_limited"
SLOT_GROUPS_CREATED: Final = "slot_groups_created"
SLOT_GROUPS_UNAVAILABLE: Final = "slot_groups_unavailable"
SLOT_PROTOCOL_ERROR: Final = "slot_protocol_error"
SLOT_DIED_EARLY: Final = "slot_died_early"
SLOTS_KEEP_DYING: Final = "slots_keep_dying"
SLOTS_RECOVERED: Final = "slots_recovered"
HANDLER_OUTPUT: Final = "handler_output"
HANDLER_LOG: Final = "handler_log"
HANDLER_OUTPUT_SUPPRESSED: Final = "handler_output_suppressed"
HANDLER_OUTPUT_UNREADABLE: Final = "handler_output_unreadable"

# A watcher
WATCHER_STARTED: Final = "watcher_started"
NOTIFICATIONS_UNAVAILABLE: Final = "notifications_unavailable"
ALERTS_RAISED: Final = "alerts_raised"
ALERT_CHECK_FAILED: Final = "alert_check_failed"
ALERT_SINK_OUTPUT: Final = "alert_sink_output"
ALERT_SINK_FAILED: Final = "alert_sink_failed"
ALERT_SINK_GAVE_UP: Final = "alert_sink_gave_up"
METRICS_SERVER_STARTED: Final = "metrics_server_started"
METRICS_READ_FAILED: Final = "metrics_read_failed"

# A dashboard
WEB_SERVER_STARTED: Final = "web_server_started"
WEB_REQUEST: Final = "web_request"
WEB_ACT: Final = "web_act"
WEB_ERROR: Final = "web_error"

# Progress of commands
SUBMIT_PROGRESS: Final = "submit_progress"
CLEANUP_PROGRESS: Final = "cleanup_progress"
VERIFY_PROGRESS: Final = "verify_progress"
SUBMISSION_THROTTLED: Final = "submission_throttled"
JOB_PROGRESS: Final = "job_progress"
PROGRESS_CONNECTION_LOST: Final = "progress_connection_lost"

# The log itself
LOG_LINES_DROPPED: Final = "log_lines_dropped"
LIBRARY_LOG: Final = "library_log"
PYTHON_WARNING: Final = "python_warning"
UNEXPECTED_ERROR: Final = "unexpected_error"

# Messages of a command to its user, when stderr is JSON
NOTICE: Final = "notice"
INTERRUPTED: Final = "interrupted"
COMMAND_FAILED: Final = "command_failed"
