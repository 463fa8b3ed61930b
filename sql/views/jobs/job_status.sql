CREATE OR REPLACE VIEW evtrack.job_status AS
SELECT -- noqa: ST06
    j.job_id,
    j.job_day,
    j.name,
    j.handler,
    j.priority,
    j.phase,
    j.suspended,
    CASE
        WHEN j.phase <> 'finished' THEN NULL
        WHEN p.failed + p.crashed + p.cancelled + p.invalid = 0 THEN 'ok'
        ELSE 'with errors'
    END AS outcome,
    p.total,
    p.done,
    p.failed,
    p.crashed,
    p.cancelled,
    p.invalid,
    p.pending,
    p.running,
    p.percent,
    p.batches,
    p.batches_pending,
    p.batches_running,
    p.batches_completed,
    p.batches_failed,
    p.batches_crashed,
    p.pace,
    p.eta,
    p.elapsed_s,
    j.note_count,
    j.bytes_read,
    j.bytes_total,
    j.source,
    j.policy,
    j.version,
    j.created_at,
    j.extended_at,
    j.sealed_at,
    j.finished_at,
    j.cancelled_at
FROM evtrack.job AS j
INNER JOIN evtrack.job_progress AS p ON j.job_id = p.job_id;

COMMENT ON VIEW evtrack.job_status IS
'One row per job: what it is, its state and its progress. Plain names count items.';
COMMENT ON COLUMN evtrack.job_status.phase IS
'open (being submitted), abandoned (its submitter died), sealed (the source is complete), finished, cancelled.';
COMMENT ON COLUMN evtrack.job_status.suspended IS
'Whether claims skip its batches; running ones continue. Independent of the phase.';
COMMENT ON COLUMN evtrack.job_status.outcome IS
'Once finished: ok, or with errors if any item failed, crashed, was cancelled or was invalid.';
COMMENT ON COLUMN evtrack.job_status.done IS 'Items completed.';
COMMENT ON COLUMN evtrack.job_status.percent IS
'While the job is open or abandoned: bytes read, of the size of the source. Then: items ended, of all.';
COMMENT ON COLUMN evtrack.job_status.note_count IS
'Number of messages about items, lines and files; events of type noted have them.';
COMMENT ON COLUMN evtrack.job_status.extended_at IS 'When the submitter last added batches.';
COMMENT ON COLUMN evtrack.job_status.version IS 'Number of events in the job''s own stream (batch_no 0).';
