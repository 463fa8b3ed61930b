-- Report batches whose process died, with what is done of each: the ordinals
-- as a multirange, and a line of results for each of them.
SELECT
    c.job_id,
    c.batch_no,
    c.verdict
FROM evtrack.crash(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(dossiers)s::jsonb[],
    %(done)s::text[],
    %(results)s::text[]
) AS c
