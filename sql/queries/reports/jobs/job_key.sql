-- Read the keys of a job's partition and wake-ups: its day and its handler.
SELECT
    job_day,
    handler,
    phase::text AS phase
FROM evtrack.job_state
WHERE job_id = %(job_id)s
