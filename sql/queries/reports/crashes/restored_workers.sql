-- Read the workers that a restored job names.
SELECT
    worker_id,
    name
FROM evtrack.restored_worker
WHERE job_id = %(job_id)s
