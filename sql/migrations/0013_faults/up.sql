-- What keeps a passing fault of a server, a host or a reader from losing or
-- stranding work.
-- least-code: 0.1.0

-- Workers and upkeep.
-- A worker's id is a random number, see register_worker().
ALTER TABLE evtrack.worker ALTER worker_id DROP DEFAULT;
DROP SEQUENCE evtrack.worker_id_seq;

-- The queue and its progress.

-- Alerts and their sinks.

-- Positions in the log.

-- What they take and return changes.
SELECT 1;
