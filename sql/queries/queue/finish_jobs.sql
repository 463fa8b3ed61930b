-- Finish those of several jobs that have no open batch.
SELECT
    f.job_id,
    f.finished
FROM evtrack.finish_jobs(%(job_ids)s::bigint[]) AS f
