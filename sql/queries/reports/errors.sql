-- List the most common errors of a job.
SELECT
    job_id,
    type,
    message,
    failures,
    batches,
    first_at,
    last_at,
    example_batch_no,
    example_item_key
FROM evtrack.error_summary
WHERE job_id = %(job_id)s
ORDER BY failures DESC, last_at DESC
LIMIT (%(limit)s)
