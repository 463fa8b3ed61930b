-- The key of a job's partition and of its wake-ups.
SELECT
    job_day,
    handler,
    phase::text AS phase
FROM evtrack.job_state
WHERE job_id = %(job_id)s
