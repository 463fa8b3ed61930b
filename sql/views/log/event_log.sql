-- Who knows a submitter's token may submit in its place, so a reader does not learn it. What was restored names
-- transactions that say nothing here: it is given 0, before all others. Apart, so that the index still serves.
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
'The log, a row an event. Programs that follow it read what one snapshot sees and the last did not, ordered by seq.';
COMMENT ON COLUMN evtrack.event_log.batch_no IS 'The stream: a batch of the job, or 0 for the job itself.';
COMMENT ON COLUMN evtrack.event_log.version IS 'Counts within the stream, from 1.';
COMMENT ON COLUMN evtrack.event_log.seq IS
'Counts over the whole log. Given out before the commit: what commits late comes with a lower number.';
COMMENT ON COLUMN evtrack.event_log.xid IS
'The transaction that appended it; 0 of what was restored out of an archive or from another cluster.';
