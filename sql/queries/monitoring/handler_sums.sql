-- Count items and batches by status, one row per handler.
SELECT
    handler,
    pending,
    running,
    done,
    failed,
    crashed,
    cancelled,
    batches_pending,
    batches_running,
    batches_completed,
    batches_failed,
    batches_crashed,
    batches_split,
    batches_cancelled
FROM evtrack.handler_status
