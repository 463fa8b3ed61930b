-- The latest crashes of a job.
SELECT
    job_id,
    batch_no,
    attempt,
    at,
    cause,
    signal,
    exit_code,
    item_key,
    ordinal,
    worker,
    batch_status,
    item_summary
FROM evtrack.crash
WHERE job_id = %(job_id)s
ORDER BY at DESC
LIMIT (%(limit)s)
