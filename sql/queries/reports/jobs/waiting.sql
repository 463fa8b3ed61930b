-- Read why a job's pending batches wait.
SELECT
    job_id,
    batches,
    items,
    since,
    waited_s,
    workers,
    free_slots,
    why,
    overdue
FROM evtrack.waiting
WHERE job_id = %(job_id)s
