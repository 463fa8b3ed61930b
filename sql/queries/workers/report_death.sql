-- Report what a dead worker had left on its host.
SELECT
    r.job_id,
    r.batch_no,
    r.verdict
FROM evtrack.report_death(
    %(dead_worker)s::bigint,
    %(reporter)s::bigint,
    %(facts)s::jsonb,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(begun)s::boolean[],
    %(in_hand)s::integer[],
    %(done)s::text[],
    %(results)s::text[]
) AS r
