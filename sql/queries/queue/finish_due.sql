-- Finish a job that has no open batch.
SELECT evtrack.finish_due(%(job_id)s::bigint) AS finished
