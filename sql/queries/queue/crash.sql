-- Report batches whose process died: for each, the ordinals of its finished
-- items as a multirange, and one line per result.
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
