-- Every transaction below the horizon has ended: what it wrote is visible now or never.
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS "end",
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier
