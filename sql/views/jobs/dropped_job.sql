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
'One row per job that cleanup dropped: its line in the ledger, which is kept.';
COMMENT ON COLUMN evtrack.dropped_job.phase IS 'How the job ended: finished or cancelled.';
COMMENT ON COLUMN evtrack.dropped_job.batches IS
'How many batches had each status: {"completed": 10, "failed": 1}; zeros are left out.';
COMMENT ON COLUMN evtrack.dropped_job.items IS 'How many items had each status.';
COMMENT ON COLUMN evtrack.dropped_job.events IS 'How many events the job had.';
COMMENT ON COLUMN evtrack.dropped_job.digest IS
'SHA-256 over its events, stream by stream as in the archive, in hexadecimal.';
COMMENT ON COLUMN evtrack.dropped_job.archive IS
'The directory with its log, on the host where cleanup ran; null if it was not archived.';
