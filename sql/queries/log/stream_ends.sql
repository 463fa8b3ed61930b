-- Read the first event of a batch and its latest ones, in the order of versions.
SELECT
    e.job_day,
    e.job_id,
    e.batch_no,
    e.version,
    e.type::text AS type,
    e.attempt,
    e.worker_id,
    e.at,
    e.seq,
    e.xid::text::bigint AS xid,
    e.data
FROM (
    SELECT *
    FROM evtrack.event_log
    WHERE job_day = %(job_day)s AND job_id = %(job_id)s AND batch_no = %(batch_no)s AND version = 1
    UNION ALL
    SELECT *
    FROM evtrack.event_log
    WHERE
        job_day = %(job_day)s AND job_id = %(job_id)s AND batch_no = %(batch_no)s
        AND version > (
            SELECT greatest(1, s.version - %(latest)s) -- noqa: RF02
            FROM evtrack.batch_status AS s
            WHERE s.job_id = %(job_id)s AND s.batch_no = %(batch_no)s -- noqa: RF02
        )
) AS e
ORDER BY e.version
