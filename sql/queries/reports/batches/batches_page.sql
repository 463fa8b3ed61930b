-- Read batches by their numbers, each looked up by itself.
SELECT
    s.job_id,
    s.batch_no,
    s.status,
    s.item_count,
    s.weight,
    s.attempt,
    s.worker,
    s.enqueued_at,
    s.started_at,
    s.finished_at,
    s.run_s,
    s.error,
    s.item_summary,
    s.root_no,
    s.parent_no,
    s.errors,
    s.crashes,
    s.losses,
    s.exclusive_losses,
    s.isolation::text AS isolation,
    s.run_at
FROM unnest(%(batch_nos)s::integer[]) AS n (batch_no)
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.batch_status AS b
        WHERE b.job_id = %(job_id)s AND b.batch_no = n.batch_no -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS s
ORDER BY s.batch_no
