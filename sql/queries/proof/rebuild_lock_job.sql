-- Lock a job's row, which whoever adds or derives batches locks too.
SELECT 1 FROM evtrack.job
WHERE job_id = %(job_id)s
FOR UPDATE
