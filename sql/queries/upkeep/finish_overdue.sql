-- Finish jobs whose batches have all ended, but whose last worker died before
-- it finished them.
SELECT array_agg(o.job_id) AS job_ids
FROM evtrack.finish_overdue(%(most)s::integer) AS o (job_id)
