-- Finish a job in which nothing is open any more.
SELECT evtrack.finish_due(%(job_id)s::bigint) AS finished
