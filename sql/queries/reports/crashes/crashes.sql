-- List the latest crashes of one job or of all; if asked, only those that are not over: the item is poison, or runs
-- again.
SELECT
    job_id,
    batch_no,
    attempt,
    at,
    cause,
    signal,
    exit_code,
    item_key,
    ordinal,
    worker,
    batch_status,
    fate,
    item_summary,
    poison,
    host,
    pid,
    run_s,
    cpu_s,
    peak_rss_bytes
FROM evtrack.crash
WHERE
    (%(job_id)s::bigint IS NULL OR job_id = %(job_id)s)
    AND (%(since_s)s::float8 IS NULL OR at > statement_timestamp() - %(since_s)s * interval '1 second')
    AND (NOT %(unsolved)s OR fate NOT IN ('completed', 'cancelled', 'split'))
ORDER BY at DESC
LIMIT (%(limit)s)
