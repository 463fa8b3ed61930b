-- The counters of a job, by name; none where it has no rows. Read from the table, as a job's own row may be missing.
SELECT
    c.key AS name,
    sum(c.value::bigint)::bigint AS total
FROM evtrack.progress AS p
CROSS JOIN jsonb_each_text(to_jsonb(p) - '{job_id,shard,bucket}'::text[]) AS c
WHERE p.job_id = %(job_id)s -- noqa: RF02
GROUP BY c.key
