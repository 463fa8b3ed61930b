-- List the errors of a job, those that are wrong now first.
SELECT
    job_id,
    fingerprint,
    type,
    shape,
    place,
    message,
    failures,
    batches,
    items_failed,
    items_retrying,
    first_at,
    last_at,
    example_batch_no,
    example_item_key
FROM evtrack.error_summary
WHERE job_id = %(job_id)s
ORDER BY items_failed DESC, items_retrying DESC, failures DESC, last_at DESC
LIMIT (%(limit)s)
