-- Version 2 of a batch's stream ends no attempt: the batch was born failed or crashed of one that is counted already.
-- Nor does a completion right after a crash: it says what was done before.
CREATE OR REPLACE VIEW evtrack.attempt AS
SELECT -- noqa: ST06
    e.job_id,
    e.batch_no,
    e.attempt,
    j.handler,
    e.type::text AS outcome,
    CASE WHEN e.type = 'crashed' THEN coalesce(e.data ->> 'cause', 'unknown') END AS cause,
    CASE WHEN jsonb_typeof(e.data -> 'run_s') = 'number' THEN (e.data ->> 'run_s')::double precision END AS run_s,
    e.worker_id,
    e.at,
    e.xid,
    e.job_day
FROM evtrack.event_log AS e
INNER JOIN evtrack.job AS j ON e.job_id = j.job_id
WHERE
    e.type IN ('completed', 'failed', 'crashed') AND e.batch_no > 0 AND e.version > 2
    AND (
        e.type <> 'completed' OR e.data -> 'moved' IS NULL OR NOT EXISTS (
            SELECT 1 FROM evtrack.event AS c
            WHERE
                c.job_day = e.job_day AND c.job_id = e.job_id AND c.batch_no = e.batch_no
                AND c.version = e.version - 1 AND c.type = 'crashed'
        )
    );

COMMENT ON VIEW evtrack.attempt IS
'One row an attempt that ended, as the log has it: completed, failed or crashed. Filter by job_id, job_day or xid.';
COMMENT ON COLUMN evtrack.attempt.outcome IS
'completed (for the items that did not fail), failed or crashed; attempts given back are none.';
COMMENT ON COLUMN evtrack.attempt.cause IS 'Of a crash: what ended the process.';
COMMENT ON COLUMN evtrack.attempt.run_s IS 'Seconds that the handler ran; of a crash, where it is known.';
COMMENT ON COLUMN evtrack.attempt.xid IS
'The transaction that recorded it: who counts what is new reads windows of it.';
COMMENT ON COLUMN evtrack.attempt.job_day IS
'The UTC day of the job. To ask for recent jobs only, filter by it: whole days are then not even looked at.';
