-- Report batches whose handler raised an error.
SELECT
    f.job_id,
    f.batch_no,
    f.verdict
FROM evtrack.fail(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(run_s)s::float8[],
    %(errors)s::jsonb[]
) AS f
