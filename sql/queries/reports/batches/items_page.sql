-- List items of a job above an ordinal, in the order of its source: of so many that are looked at, those of a status.
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
    job_id = %(job_id)s::bigint
    AND ordinal > %(after)s::integer
    AND ordinal <= %(upto)s::integer
    AND (%(status)s::evtrack.status IS NULL OR status = %(status)s::evtrack.status)
ORDER BY ordinal
LIMIT (%(limit)s)
