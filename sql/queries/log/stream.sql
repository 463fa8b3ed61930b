-- Read one stream in the order of its versions.
SELECT
    job_day,
    job_id,
    batch_no,
    version,
    type::text AS type,
    attempt,
    worker_id,
    at,
    seq,
    xid::text::bigint AS xid,
    data
FROM evtrack.event_log
WHERE
    job_day = %(job_day)s
    AND job_id = %(job_id)s
    AND batch_no = %(batch_no)s
ORDER BY version
