-- Read the progress counters of a job.
SELECT
    coalesce(sum(pending_batches), 0)::bigint AS pending_batches,
    coalesce(sum(pending_items), 0)::bigint AS pending_items,
    coalesce(sum(running_batches), 0)::bigint AS running_batches,
    coalesce(sum(running_items), 0)::bigint AS running_items,
    coalesce(sum(completed_batches), 0)::bigint AS completed_batches,
    coalesce(sum(completed_items), 0)::bigint AS completed_items,
    coalesce(sum(failed_batches), 0)::bigint AS failed_batches,
    coalesce(sum(failed_items), 0)::bigint AS failed_items,
    coalesce(sum(crashed_batches), 0)::bigint AS crashed_batches,
    coalesce(sum(crashed_items), 0)::bigint AS crashed_items,
    coalesce(sum(split_batches), 0)::bigint AS split_batches,
    coalesce(sum(split_items), 0)::bigint AS split_items,
    coalesce(sum(cancelled_batches), 0)::bigint AS cancelled_batches,
    coalesce(sum(cancelled_items), 0)::bigint AS cancelled_items
FROM evtrack.progress
WHERE job_id = %(job_id)s
