-- Not counted: version 2 of a batch's stream, because the batch was created failed or crashed by an attempt that its
-- parent already has; a completion right after a crash, which only records the items done before the crash; and a crash
-- that counts against no item.
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
    AND coalesce(e.data ->> 'blame', '') <> 'none'
    AND (
        e.type <> 'completed' OR e.data -> 'moved' IS NULL OR NOT EXISTS (
            SELECT 1 FROM evtrack.event AS c
            WHERE
                c.job_day = e.job_day AND c.job_id = e.job_id AND c.batch_no = e.batch_no
                AND c.version = e.version - 1 AND c.type = 'crashed'
                AND coalesce(c.data ->> 'blame', '') <> 'none'
        )
    );

COMMENT ON VIEW evtrack.attempt IS
'One row per attempt that has ended, from the log: completed, failed or crashed. Filter by job_id, job_day or xid.';
COMMENT ON COLUMN evtrack.attempt.outcome IS
'completed (even if some items failed), failed or crashed. Neither requeued attempts count, nor crashes that count '
'against no item.';
COMMENT ON COLUMN evtrack.attempt.cause IS 'For a crash: what ended the process.';
COMMENT ON COLUMN evtrack.attempt.run_s IS 'Seconds that the handler ran; for a crash, null if unknown.';
COMMENT ON COLUMN evtrack.attempt.xid IS
'The transaction that recorded it: programs that count new attempts read windows of transactions.';
COMMENT ON COLUMN evtrack.attempt.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
