-- Read all events of a job, stream by stream, from whatever day.
SELECT -- noqa: ST06
    job_day,
    job_id,
    batch_no,
    version,
    type::text AS type,
    attempt,
    worker_id,
    -- An out-of-range time must not prevent checking the rest; the digest reveals that it was changed.
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
    END AS digest_text,
    evtrack.event_bytes(
        job_id, batch_no, version, type, attempt, worker_id, at, seq, xid, data
    ) AS digest_bytes
FROM evtrack.event
WHERE job_id = %(job_id)s
ORDER BY batch_no, version, job_day
