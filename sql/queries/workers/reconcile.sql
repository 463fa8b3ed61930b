-- Compare what a worker holds with what the log says it holds.
SELECT
    r.job_id,
    r.batch_no,
    r.attempt,
    r.verdict
FROM evtrack.reconcile(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[]
) AS r
