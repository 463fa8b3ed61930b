-- List handlers whose batches wait for a reason that needs an operator.
SELECT
    handler,
    why,
    count(*) AS jobs,
    sum(batches)::bigint AS batches,
    coalesce(max(waited_s), 0)::double precision AS waited_s,
    sum(free_slots)::bigint AS free_slots,
    min(job_id) AS example_job_id
FROM evtrack.waiting
WHERE why IN ('no worker', 'never started') AND handler <> 'evtrack.canary'
GROUP BY handler, why
ORDER BY handler, why
