-- Read a window of the whole log, in order: the transactions that began since the last window, or were late then, if
-- they have ended. Restored events are read separately.
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
    -- What was read before a new timeline; see docs/adr/log/0025.
    AND NOT (
        seq <= %(known_seq)s
        AND pg_visible_in_snapshot(xid, %(known)s::pg_snapshot)
    )
ORDER BY seq
