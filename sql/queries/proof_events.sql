-- All that the log holds of a job, stream by stream, on whatever day it lies.
SELECT
    job_day,
    job_id,
    batch_no,
    version,
    type::text AS type,
    attempt,
    worker_id,
    at,
    seq,
    xid::text::bigint AS xid,
    data,
    evtrack.event_text(
        job_id, batch_no, version, type, attempt, worker_id, at, seq, xid, data
    ) AS said
FROM evtrack.event
WHERE job_id = %(job_id)s
ORDER BY batch_no, version, job_day
