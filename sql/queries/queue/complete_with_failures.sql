-- Report batches in which some items failed.
SELECT
    c.job_id,
    c.batch_no,
    c.verdict
FROM evtrack.complete_with_failures(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(run_s)s::float8[],
    %(results)s::text[],
    %(failed)s::int4multirange[],
    %(errors)s::jsonb[]
) AS c
