-- A window of the whole log, in order: what began since the last one, and what was late then, as far as it has ended.
-- What was restored has a part of its own.
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
    xid > '0'
    AND ((xid >= %(lo)s::xid8 AND xid < %(hi)s::xid8) OR xid = any(%(late)s::xid8[]))
    AND pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)
    AND seq > %(seq)s
ORDER BY seq
