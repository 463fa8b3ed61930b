-- List the latest crashes of a span of time, over all jobs.
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
FROM evtrack.latest_crashes(%(span_s)s * interval '1 second', %(limit)s) AS l -- noqa: RF02
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.crash AS x
        WHERE x.job_id = l.job_id AND x.batch_no = l.batch_no AND x.attempt = l.attempt -- noqa: RF03
        OFFSET 0 -- noqa: AM09
    ) AS c
ORDER BY c.at DESC, c.job_id DESC, c.batch_no DESC
