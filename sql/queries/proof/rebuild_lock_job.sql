-- Lock a job's row, which whoever adds or derives batches locks too. Searches for
-- new batches begin at the first one again: the job may have more of them now.
UPDATE evtrack.job SET fresh_after = 0
WHERE job_id = %(job_id)s
