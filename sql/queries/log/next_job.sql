-- The next job with any trace left: a row, events, batches or counters.
SELECT min(job_id) AS job_id
FROM (
    SELECT min(job_id) AS job_id FROM evtrack.job
    WHERE job_id > %(after)s
    UNION ALL
    SELECT min(job_id) FROM evtrack.event
    WHERE job_id > %(after)s
    UNION ALL
    SELECT min(job_id) FROM evtrack.batch
    WHERE job_id > %(after)s
    UNION ALL
    SELECT min(job_id) FROM evtrack.progress
    WHERE job_id > %(after)s
) AS each
