-- The highest number of a job's batches, and of its items.
SELECT
    batches,
    total - invalid AS items
FROM evtrack.job_progress
WHERE job_id = %(job_id)s
