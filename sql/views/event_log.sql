-- Who knows a submitter's token may submit in its place, so a reader does not learn it.
CREATE OR REPLACE VIEW evtrack.event_log AS
SELECT
    e.job_day,
    e.job_id,
    e.batch_no,
    e.version,
    e.type,
    e.attempt,
    e.worker_id,
    e.at,
    e.seq,
    e.xid,
    CASE e.batch_no WHEN 0 THEN e.data - 'submitter' ELSE e.data END AS data
FROM evtrack.event AS e;

COMMENT ON VIEW evtrack.event_log IS
'The log, a row an event. Programs that follow it read windows of xid below the horizon, ordered by seq inside one.';
COMMENT ON COLUMN evtrack.event_log.batch_no IS 'The stream: a batch of the job, or 0 for the job itself.';
COMMENT ON COLUMN evtrack.event_log.version IS 'Counts within the stream, from 1.';
COMMENT ON COLUMN evtrack.event_log.seq IS
'Counts over the whole log. Given out before the commit: what commits late comes with a lower number.';
COMMENT ON COLUMN evtrack.event_log.xid IS 'The transaction that appended it.';
