-- Read the first event of a batch and its latest ones, in the order of versions.
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
    data
FROM evtrack.event_log
WHERE
    job_day = %(job_day)s
    AND job_id = %(job_id)s
    AND batch_no = %(batch_no)s
    AND version = any(
        ARRAY[1] || array(
            SELECT generate_series(greatest(2, s.version - %(latest)s + 1), s.version) -- noqa: RF02
            FROM evtrack.batch_status AS s
            WHERE s.job_id = %(job_id)s AND s.batch_no = %(batch_no)s -- noqa: RF02
        )
    )
ORDER BY version
