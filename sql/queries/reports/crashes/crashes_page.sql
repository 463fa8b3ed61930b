-- List crashes before a place in their order, latest first: of so many that are looked at, those of a handler, a cause
-- and a worker.
WITH shown AS (
    SELECT *
    FROM
        evtrack.crashes_before(
            %(at)s::timestamptz, %(before_job)s::bigint, %(before_batch)s::integer, %(job_id)s::bigint,
            %(since)s::timestamptz, %(walk)s::integer
        )
    WHERE
        (%(handler)s::text IS NULL OR handler = %(handler)s::text)
        AND (%(cause)s::text IS NULL OR cause = %(cause)s::text)
        AND (%(worker_id)s::bigint IS NULL OR worker_id = %(worker_id)s::bigint)
    ORDER BY at DESC, job_id DESC, batch_no DESC
    LIMIT (%(limit)s)
)

SELECT
    c.job_id,
    c.batch_no,
    c.attempt,
    c.at,
    c.cause,
    c.signal,
    c.exit_code,
    c.item_key,
    c.ordinal,
    c.worker,
    c.batch_status,
    c.fate,
    c.item_summary,
    c.poison,
    c.host,
    c.pid,
    c.run_s,
    c.cpu_s,
    c.peak_rss_bytes
FROM shown AS l
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.crash AS x
        WHERE x.job_id = l.job_id AND x.batch_no = l.batch_no AND x.attempt = l.attempt -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS c
ORDER BY c.at DESC, c.job_id DESC, c.batch_no DESC
