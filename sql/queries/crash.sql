-- Report batches whose process died.
SELECT
    c.job_id,
    c.batch_no,
    c.verdict
FROM evtrack.crash(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(dossiers)s::jsonb[]
) AS c
