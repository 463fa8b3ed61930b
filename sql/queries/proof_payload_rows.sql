-- How many items of a job are stored.
SELECT count(*) FROM evtrack.payload
WHERE job_id = %(job_id)s
