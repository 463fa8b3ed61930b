-- Report batches whose handler raised an error. The errors come as one text,
-- separated by a character that JSON cannot contain.
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
    string_to_array(%(errors)s::text, E'\x1e')::jsonb[]
) AS f
