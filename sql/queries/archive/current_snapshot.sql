-- Which transactions have ended now.
SELECT pg_current_snapshot()::text AS snapshot
