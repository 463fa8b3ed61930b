-- Report batches in which some items failed. Texts come as one, separated by a
-- character that JSON cannot contain, as in `complete`.
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
    string_to_array(%(results)s::text, E'\x1e', ''),
    string_to_array(%(failed)s::text, E'\x1e')::int4multirange[],
    string_to_array(%(errors)s::text, E'\x1e')::jsonb[]
) AS c
