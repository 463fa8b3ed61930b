-- Read a window of the log for one job, or one of its streams, in order; see tail_log.
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
    AND ((xid >= %(lo)s::xid8 AND xid < %(hi)s::xid8) OR xid = any(%(late)s::xid8[]))
    AND pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)
    AND seq > %(seq)s
    -- What was read before a new timeline; see docs/adr/log/0025.
    AND NOT (
        seq <= %(known_seq)s
        AND pg_visible_in_snapshot(xid, %(known)s::pg_snapshot)
    )
ORDER BY seq
