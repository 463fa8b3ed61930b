-- Whether a day has events that a snapshot did not see. Restored events name transactions of another cluster.
SELECT count(*) > 0 AS changed
FROM evtrack.event AS e
WHERE
    e.job_day = %(job_day)s::date
    AND e.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(e.xid, %(seen)s::pg_snapshot)
    AND NOT EXISTS (
        SELECT FROM evtrack.restored AS r
        WHERE r.job_id = e.job_id AND e.seq <= r.last_seq
    )
