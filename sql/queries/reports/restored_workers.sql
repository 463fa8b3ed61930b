-- The workers that a job brought along when it came back.
SELECT
    worker_id,
    name
FROM evtrack.restored_worker
WHERE job_id = %(job_id)s
