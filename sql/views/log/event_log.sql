-- The submitter's token is hidden, because whoever knows it may submit in the submitter's place. Restored events name
-- transactions of another log, so they get xid 0, before all others. Two branches, so that each can use the index.
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
FROM evtrack.event AS e
WHERE
    NOT EXISTS (
        SELECT FROM evtrack.restored AS r
        WHERE r.job_id = e.job_id AND e.seq <= r.last_seq
    )
UNION ALL
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
    '0'::xid8 AS xid,
    CASE e.batch_no WHEN 0 THEN e.data - 'submitter' ELSE e.data END AS data
FROM evtrack.restored AS r
INNER JOIN evtrack.event AS e ON r.job_day = e.job_day AND r.job_id = e.job_id AND r.last_seq >= e.seq;

COMMENT ON VIEW evtrack.event_log IS
'The log, one row per event. To follow it, read by seq what one snapshot sees and the previous one did not.';
COMMENT ON COLUMN evtrack.event_log.batch_no IS 'The stream: a batch of the job, or 0 for the job itself.';
COMMENT ON COLUMN evtrack.event_log.version IS 'The place of the event in its stream, from 1.';
COMMENT ON COLUMN evtrack.event_log.seq IS
'Number in the whole log. Assigned before the commit: an event that commits late can have a lower number.';
COMMENT ON COLUMN evtrack.event_log.xid IS
'The transaction that appended it; 0 if it was restored from an archive or came from another cluster.';
