-- Items and batches by status, a row a handler.
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
