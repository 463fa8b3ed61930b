-- Every transaction below the horizon has ended: what it wrote is visible now or never.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
