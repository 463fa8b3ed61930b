-- Read the horizon: all transactions below it have ended, so what they wrote is either visible now or never.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
