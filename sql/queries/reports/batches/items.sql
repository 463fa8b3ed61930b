-- List items of a job in the order of its source: all, those with one of these keys, or with one of these statuses.
SELECT
    job_id,
    ordinal,
    item_key,
    status::text AS status,
    batch_no,
    attempt,
    error,
    path,
    line
FROM evtrack.item_status
WHERE
    job_id = %(job_id)s
    AND (%(keys)s::text[] IS NULL OR item_key = any(%(keys)s::text[]))
    AND (%(statuses)s::evtrack.status[] IS NULL OR status = any(%(statuses)s::evtrack.status[]))
ORDER BY ordinal
LIMIT (%(limit)s)
