-- Finish jobs that have no open batch, whose last worker died before it could.
SELECT o.job_id FROM evtrack.finish_overdue(%(most)s::integer) AS o (job_id)
