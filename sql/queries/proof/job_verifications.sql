-- The latest verifications of a job, latest first.
SELECT
    job_id,
    at,
    by,
    outcome,
    events,
    difference_count,
    differences,
    digest
FROM evtrack.job_verification
WHERE job_id = %(job_id)s
ORDER BY at DESC
LIMIT (%(limit)s)
