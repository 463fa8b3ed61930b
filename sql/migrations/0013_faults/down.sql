-- Workers and upkeep.
CREATE SEQUENCE evtrack.worker_id_seq AS bigint;
REVOKE ALL ON evtrack.worker_id_seq FROM public;
-- Above all numbers that the sequence gave out.
SELECT setval('evtrack.worker_id_seq', max(worker_id))
FROM evtrack.worker
HAVING max(worker_id) > 0;
ALTER TABLE evtrack.worker
ALTER worker_id SET DEFAULT nextval('evtrack.worker_id_seq');

-- The queue and its progress.
DROP FUNCTION IF EXISTS evtrack.part_links(date, bigint, integer);
DROP FUNCTION IF EXISTS evtrack.stale_parts(evtrack.job);
DROP FUNCTION IF EXISTS evtrack.finish_job(evtrack.job);
DROP TABLE evtrack.digest_part;

-- Alerts and their sinks.

-- Positions in the log.
SELECT 1;
