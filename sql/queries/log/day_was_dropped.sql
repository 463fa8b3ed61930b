-- Has a cleanup dropped the jobs of a day?
SELECT count(*) > 0 AS was_dropped
FROM evtrack.dropped_job
WHERE job_day = %(job_day)s
