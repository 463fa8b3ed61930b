-- Count the items of a job that failed or crashed and wait for their next attempt, by the index of retried batches.
SELECT coalesce(sum(item_count), 0)::bigint AS items
FROM evtrack.batch_status
WHERE
    job_id = %(job_id)s AND status = 'pending' AND run_at IS NOT NULL
    AND errors + crashes + losses > 0
