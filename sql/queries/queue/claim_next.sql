-- Claim new batches of the most urgent jobs: `claimable` and `exchange` in one
-- round trip, for a worker that waits. The columns are those of `exchange`, but
-- the last says whether there may be more to claim. Without a row, there is
-- nothing; a row without a batch says that there are only retried batches, or
-- others have just taken the new ones.
WITH listed AS (
    SELECT
        c.job_id,
        c.priority,
        c.mark,
        c.due,
        count(*) OVER () AS jobs
    FROM evtrack.claimable(
        %(handlers)s::text[], %(job_ids)s::bigint[], %(marks)s::integer[]
    ) AS c
)

SELECT
    e.job_id,
    e.batch_no,
    e.attempt,
    e.handler,
    e.ordinals,
    e.item_keys,
    e.payload,
    e.policy::text AS policy,
    nullif(e.isolation, 'none')::text AS isolation,
    u.jobs > 1 AS has_more
FROM (
    SELECT
        array_agg(l.job_id) AS job_ids,
        array_agg(l.mark - 1) AS after,
        max(l.jobs) AS jobs,
        bool_or(l.due) AS due
    FROM (
        SELECT l.*
        FROM listed AS l
        WHERE l.priority = (SELECT max(m.priority) FROM listed AS m)
        ORDER BY l.job_id
        LIMIT %(most)s::integer
    ) AS l
) AS u
LEFT JOIN LATERAL evtrack.exchange( -- noqa: RF02
    %(worker_id)s::bigint, '{}', '{}', '{}', '{}', -- noqa: RF02
    claim_jobs => u.job_ids, after => u.after,
    -- Here, and not in the join: a condition of the join would be checked after
    -- the claim.
    max_fresh => CASE WHEN u.due THEN 0 ELSE %(most)s::integer END, -- noqa: RF02
    handlers => %(handlers)s::text[] -- noqa: RF02
) AS e ON true
WHERE u.jobs > 0
