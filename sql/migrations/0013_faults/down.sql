-- loses: the deliveries that wait for a sink, if evtrack.delivery has rows
-- Workers and upkeep.
DROP FUNCTION IF EXISTS evtrack.keep_time(
    evtrack.upkeep, timestamptz, interval, interval, bigint, interval
);
DROP FUNCTION IF EXISTS evtrack.has_turn(evtrack.upkeep, bigint);
DROP TABLE evtrack.duty;
DROP INDEX evtrack.worker_live;
CREATE INDEX worker_live ON evtrack.worker (seen_at)
WHERE stopped_at IS NULL AND lost_at IS NULL;
ALTER TABLE evtrack.upkeep
DROP COLUMN reaper,
DROP COLUMN workers,
DROP COLUMN stepped_at,
DROP COLUMN due_at,
DROP COLUMN back_from,
DROP COLUMN set_back;
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
DROP FUNCTION IF EXISTS evtrack.compact_progress(bigint, integer, integer);
DROP FUNCTION IF EXISTS evtrack.job_attempts(
    date, bigint, timestamptz, date[]
);
DROP FUNCTION IF EXISTS evtrack.fold_derived(evtrack.event[]);
DROP FUNCTION IF EXISTS evtrack.fold_moved(evtrack.event[], date);
DROP FUNCTION IF EXISTS evtrack.fold_failures(evtrack.event[], date);
DROP FUNCTION IF EXISTS evtrack.first_error(jsonb);
DROP FUNCTION IF EXISTS evtrack.error_key(jsonb);
DROP TABLE evtrack.digest_part;

-- Alerts and their sinks.
DROP FUNCTION IF EXISTS evtrack.register_sink(text, interval);
DROP FUNCTION IF EXISTS evtrack.take_delivery(text, text, interval);
DROP FUNCTION IF EXISTS evtrack.end_delivery(
    bigint, text, integer, text, interval, boolean
);
DROP FUNCTION IF EXISTS evtrack.give_up_deliveries();
DROP FUNCTION IF EXISTS evtrack.check_alerts(
    interval, float8, interval, bigint, bigint, interval, float8, interval
);
DROP TABLE evtrack.delivery, evtrack.sink;
