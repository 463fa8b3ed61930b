-- List what slots have had in hand for over a second, the longest first.
SELECT
    job_id,
    batch_no,
    attempt,
    worker_id,
    worker,
    host,
    slot,
    handler,
    item_key,
    ordinal,
    item_count,
    begun_at,
    running_s,
    known_attempts,
    p50_s,
    p99_s
FROM evtrack.running_item
WHERE
    (%(job_id)s::bigint IS NULL OR job_id = %(job_id)s)
    AND (%(batch_no)s::integer IS NULL OR batch_no = %(batch_no)s)
    AND (%(worker_id)s::bigint IS NULL OR worker_id = %(worker_id)s)
ORDER BY running_s DESC
LIMIT (%(limit)s)
