-- A window of the log for one job (or one of its streams), in order. What was restored has a part of its own.
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
    AND (%(batch_no)s::integer IS NULL OR batch_no = %(batch_no)s)
    AND xid > '0'
    AND xid >= %(lo)s::text::xid8
    AND xid < %(hi)s::text::xid8
    AND seq > %(seq)s
ORDER BY seq
