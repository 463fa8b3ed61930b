-- Which transactions have ended: all below the end except those that the snapshot lists. A standby cannot list them, so
-- there it is all below the oldest that is running.
SELECT -- noqa: ST06
    CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmin(s.now)::text ELSE s.now::text END AS snapshot,
    pg_snapshot_xmax(s.now)::text::bigint AS "end",
    c.system_identifier,
    (
        SELECT d.oid::bigint FROM pg_database AS d
        WHERE d.datname = current_database()
    ) AS database
FROM pg_current_snapshot() AS s (now)
CROSS JOIN pg_control_system() AS c
