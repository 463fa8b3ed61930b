-- Count the items that wait for a reason that needs an operator.
SELECT
    coalesce(sum(items), 0)::bigint AS items,
    min(job_id) AS example_job_id
FROM evtrack.waiting
WHERE overdue AND handler <> 'evtrack.canary'
