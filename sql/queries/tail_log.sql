-- A window of the whole log, in order.
-- What is visible and yet has a transaction that is still to come was restored from another cluster: it belongs to the
-- beginning.
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
    (
        (xid >= %(lo)s::text::xid8 AND xid < %(hi)s::text::xid8)
        OR (%(lo)s::bigint = 0 AND xid >= pg_snapshot_xmax(pg_current_snapshot()))
    )
    AND seq > %(seq)s
ORDER BY seq
