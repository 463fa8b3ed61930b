-- Find the first new batch of a job that searches for new batches pass over,
-- because they begin above it.
SELECT
    b.batch_no,
    j.fresh_after
FROM evtrack.job AS j
INNER JOIN evtrack.batch AS b ON j.job_id = b.job_id AND j.job_day = b.job_day
WHERE
    j.job_id = %(job_id)s -- noqa: RF02
    AND b.fresh AND b.batch_no <= j.fresh_after
ORDER BY b.batch_no
LIMIT 1
