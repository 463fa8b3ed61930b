CREATE OR REPLACE VIEW evtrack.dropped_job AS
SELECT
    l.job_id,
    l.job_day,
    l.name,
    l.handler,
    l.phase,
    l.batches,
    l.items,
    l.invalid_count AS invalid,
    l.event_count AS events,
    l.created_at,
    l.sealed_at,
    l.ended_at,
    l.dropped_at,
    l.archive,
    encode(l.digest, 'hex') AS digest
FROM evtrack.ledger AS l;

COMMENT ON VIEW evtrack.dropped_job IS
'One row a job that retention dropped: the line of the ledger, which stays.';
COMMENT ON COLUMN evtrack.dropped_job.phase IS 'How the job ended: finished or cancelled.';
COMMENT ON COLUMN evtrack.dropped_job.batches IS
'How many batches were in each status: {"completed": 10, "failed": 1}; what is 0 is left out.';
COMMENT ON COLUMN evtrack.dropped_job.items IS 'The same of its items.';
COMMENT ON COLUMN evtrack.dropped_job.events IS 'How many events its log had.';
COMMENT ON COLUMN evtrack.dropped_job.digest IS
'SHA-256 over its events in the order of their streams, as the archive has them, in hexadecimal digits.';
COMMENT ON COLUMN evtrack.dropped_job.archive IS
'The folder that holds its log, on the machine where cleanup ran; null if it was not archived.';
