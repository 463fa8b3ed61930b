-- Return batches to pending.
SELECT
    r.job_id,
    r.batch_no,
    r.verdict
FROM evtrack.requeue(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(reason)s::text
) AS r
