-- Read the event that a position names as the last one; xid is 0 if its day was dropped and restored since.
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
    AND xid IN (%(xid)s::xid8, '0'::xid8)
    AND seq = %(seq)s
ORDER BY xid DESC
LIMIT 1
