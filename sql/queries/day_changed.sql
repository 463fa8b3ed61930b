-- Whether a day has events that a snapshot did not see. What is visible and yet of a transaction that is still to come
-- was restored from another cluster.
SELECT count(*) > 0 AS changed
FROM evtrack.event AS e
WHERE
    e.job_day = %(job_day)s::date
    AND e.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(e.xid, %(seen)s::pg_snapshot)
    AND e.xid < pg_snapshot_xmax(pg_current_snapshot())
