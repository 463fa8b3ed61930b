-- Finish jobs in which nothing is open and whose last worker did not live to
-- say so.
SELECT o.job_id FROM evtrack.finish_overdue(%(most)s::integer) AS o (job_id)
