-- All that the log holds of a job, stream by stream, on whatever day it lies.
SELECT -- noqa: ST06
    job_day,
    job_id,
    batch_no,
    version,
    type::text AS type,
    attempt,
    worker_id,
    -- A time that no calendar has must not keep the rest from being looked at: what was written shows in the digest.
    least(greatest(at, timestamptz '0001-01-02 00:00+00'), timestamptz '9999-12-30 00:00+00') AS at,
    seq,
    xid::text::bigint AS xid,
    data,
    CASE
        WHEN isfinite(at)
            THEN evtrack.event_text(
                job_id, batch_no, version, type, attempt, worker_id, at, seq, xid, data
            )
        ELSE 'at no time'
    END AS said
FROM evtrack.event
WHERE job_id = %(job_id)s
ORDER BY batch_no, version, job_day
