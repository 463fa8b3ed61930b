-- Let searches for new batches of a job begin at the first one again.
UPDATE evtrack.job SET fresh_after = 0
WHERE job_id = %(job_id)s AND fresh_after > 0
