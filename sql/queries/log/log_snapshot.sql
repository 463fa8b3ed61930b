-- Which transactions have ended, and where: all below the end except those that the snapshot lists. A standby cannot
-- list them, so there it is all below the oldest that is running. The control file learns of a new timeline late, so
-- the primary reads it from the name of its WAL file.
SELECT -- noqa: ST06
    CASE WHEN h.is_standby THEN pg_snapshot_xmin(s.now)::text ELSE s.now::text END AS snapshot,
    pg_snapshot_xmax(s.now)::text::bigint AS "end",
    c.system_identifier,
    (
        SELECT d.oid::bigint FROM pg_database AS d
        WHERE d.datname = current_database()
    ) AS database,
    CASE
        WHEN h.is_standby
            THEN (
                SELECT greatest(p.timeline_id, r.min_recovery_end_timeline)
                FROM pg_control_checkpoint() AS p
                CROSS JOIN pg_control_recovery() AS r
            )
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
    END AS timeline,
    h.is_standby
FROM pg_current_snapshot() AS s (now)
CROSS JOIN pg_control_system() AS c
CROSS JOIN pg_is_in_recovery() AS h (is_standby)
