-- Report batches as completed; return only rejected reports. The results of all
-- batches come as one text, separated by a character that JSON cannot contain:
-- that is cheaper to write and to parse than the quotes of an array.
SELECT
    c.job_id,
    c.batch_no,
    c.verdict
FROM
    evtrack.complete(
        %(worker_id)s::bigint,
        %(job_ids)s::bigint[],
        %(batch_nos)s::integer[],
        %(attempts)s::integer[],
        %(run_s)s::float8[],
        string_to_array(%(results)s::text, E'\x1e', ''),
        %(peak_rss_bytes)s::bigint[],
        %(cpu_s)s::float8[]
    ) AS c
WHERE c.verdict <> 'ok'
