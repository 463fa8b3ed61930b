-- Hold a job still: who adds batches, or makes them of others, locks its row.
SELECT 1 FROM evtrack.job
WHERE job_id = %(job_id)s
FOR UPDATE
