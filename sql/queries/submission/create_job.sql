-- Create a job.
SELECT
    c.job_id,
    c.job_day,
    c.submitter_token AS submitter
FROM evtrack.create_job(
    %(handler)s::text,
    %(name)s::text,
    %(priority)s::smallint,
    %(policy)s::jsonb,
    %(source)s::jsonb,
    %(bytes_total)s::bigint
) AS c
