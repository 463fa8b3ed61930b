-- The slowest batches of the latest numbers of a job, the slowest first.
WITH latest AS (
    SELECT
        b.batch_no,
        b.run_s
    FROM evtrack.batch_status AS b
    WHERE b.job_id = %(job_id)s AND b.batch_no > %(above)s::integer AND b.run_s IS NOT NULL
    ORDER BY b.run_s DESC
    LIMIT (%(limit)s)
)

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
FROM latest AS n
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.batch_status AS b
        WHERE b.job_id = %(job_id)s AND b.batch_no = n.batch_no -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS s
ORDER BY s.run_s DESC
