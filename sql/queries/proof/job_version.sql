SELECT version
FROM evtrack.job
WHERE job_id = %(job_id)s
