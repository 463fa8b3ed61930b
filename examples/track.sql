-- Track batches that another system runs, using only psql:
--   psql "$DSN" -X -v ON_ERROR_STOP=1 -f examples/track.sql
-- The user needs the roles evtrack_producer and evtrack_worker, or must own evtrack's schema.
\set QUIET on
\pset tuples_only on
\pset format unaligned

-- Submit six items in batches of two. Each chunk of batches is one transaction, with the payloads first.
SELECT job_id AS job, job_day AS day, submitter_token AS token
FROM evtrack.create_job('nightly', 'documents of today', policy => '{"max_errors": 2, "backoff_s": 0}') \gset
SELECT evtrack.hold_job(:job) AS held \gset
BEGIN;
SELECT set_config('evtrack.submitter', :'token', true) AS token \gset
INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)
SELECT :'day', :job, i, (i + 1) / 2, 'doc:' || i, jsonb_build_object('n', i) FROM generate_series(1, 6) AS i;
-- Batches 1, 2 and 3 have two items each and start at the ordinals 1, 3 and 5.
SELECT evtrack.add_batches(:job, :'token', 1, '{2,2,2}', '{2,2,2}', '{1,3,5}') AS last_batch \gset
COMMIT;
SELECT evtrack.seal(:job, :'token');
\echo submitted job :job, batches :last_batch
-- After the commit, wake workers that would otherwise find the job at their next poll.
SELECT pg_notify('evtrack_work', 'nightly');

-- Work. The session lock shows that the worker is alive, so a dead worker is detected within seconds. Without the lock,
-- only the heartbeat shows it.
SELECT evtrack.register_worker('psql', 'here', pg_backend_pid(), 1, '{nightly}', '1.0') AS worker \gset
SELECT pg_advisory_lock(hashtextextended('evtrack.worker', :worker));
SELECT evtrack.heartbeat(:worker, 1);
\echo started
SELECT batch_no, attempt, item_keys FROM evtrack.claim(:worker, ARRAY[:job], '{0}', 10, '{nightly}') ORDER BY batch_no;

-- Batch 1 is done, batch 2 raised, and batch 3 crashed on doc:5. While batches run, call at least every ten seconds:
SELECT evtrack.heartbeat(:worker, 1);
\echo reported
SELECT batch_no, verdict FROM evtrack.complete(:worker, ARRAY[:job], '{1}', '{1}', '{0.8}');
SELECT batch_no, verdict FROM evtrack.fail(:worker, ARRAY[:job], '{2}', '{1}', '{0.1}', ARRAY['{"type": "Timeout", "message": "no answer"}'::jsonb]);
SELECT batch_no, verdict FROM evtrack.crash(:worker, ARRAY[:job], '{3}', '{1}', ARRAY['{"cause": "signal", "signal": "SIGSEGV", "ordinal": 5}'::jsonb]);

-- Claim the retried batches, including those into which the crash split batch 3; this time all of them are done.
WITH again AS (
    SELECT array_agg(batch_no) AS batch_nos, array_agg(attempt) AS attempts
    FROM evtrack.claim(:worker, ARRAY[:job], '{0}', 0, '{nightly}', 10)
) SELECT count(*) AS batches_done FROM again, evtrack.complete(
    :worker, array_fill(:job::bigint, ARRAY[cardinality(batch_nos)]), batch_nos, attempts,
    array_fill(0.2::float8, ARRAY[cardinality(batch_nos)])) \gset
-- After the commit of the last batch, finish the job.
SELECT evtrack.finish_due(:job) AS finished \gset
SELECT evtrack.stop_worker(:worker);
\echo done :batches_done more, finished :finished
SELECT phase, done, failed, crashed, pending FROM evtrack.job_status WHERE job_id = :job;
