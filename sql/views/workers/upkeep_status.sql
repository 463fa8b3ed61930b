CREATE OR REPLACE VIEW evtrack.upkeep_status AS
SELECT -- noqa: ST06
    u.reaper,
    u.reaped_at,
    extract(EPOCH FROM clock_timestamp() - u.reaped_at)::double precision AS reaped_s,
    u.workers
FROM evtrack.upkeep AS u;

COMMENT ON VIEW evtrack.upkeep_status IS
'One row: who looks for lost workers. One worker or watcher does so for all; if it ends, another takes its turn.';
COMMENT ON COLUMN evtrack.upkeep_status.reaper IS
'A random number that the reaper has given itself; null for a caller of evtrack.reap() that has none.';
COMMENT ON COLUMN evtrack.upkeep_status.reaped_at IS 'When it looked last.';
COMMENT ON COLUMN evtrack.upkeep_status.reaped_s IS
'How many seconds ago that was; below 0 if the server''s clock went back.';
COMMENT ON COLUMN evtrack.upkeep_status.workers IS 'How many workers it saw that had neither stopped nor were lost.';
