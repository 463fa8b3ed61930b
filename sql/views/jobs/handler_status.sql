-- Sums of the progress counters of each handler's jobs: the cost depends on the number of jobs, not of batches. Read in
-- one pass, not through counted_job, which would look up each of maybe a million jobs.
CREATE OR REPLACE VIEW evtrack.handler_status AS
SELECT
    j.handler,
    count(DISTINCT j.job_id) AS jobs,
    coalesce(sum(p.pending_items), 0)::bigint AS pending,
    coalesce(sum(p.running_items), 0)::bigint AS running,
    coalesce(sum(p.completed_items), 0)::bigint AS done,
    coalesce(sum(p.failed_items), 0)::bigint AS failed,
    coalesce(sum(p.crashed_items), 0)::bigint AS crashed,
    coalesce(sum(p.cancelled_items), 0)::bigint AS cancelled,
    coalesce(sum(p.pending_batches), 0)::bigint AS batches_pending,
    coalesce(sum(p.running_batches), 0)::bigint AS batches_running,
    coalesce(sum(p.completed_batches), 0)::bigint AS batches_completed,
    coalesce(sum(p.failed_batches), 0)::bigint AS batches_failed,
    coalesce(sum(p.crashed_batches), 0)::bigint AS batches_crashed,
    coalesce(sum(p.split_batches), 0)::bigint AS batches_split,
    coalesce(sum(p.cancelled_batches), 0)::bigint AS batches_cancelled
FROM evtrack.job AS j
LEFT JOIN evtrack.progress AS p ON j.job_id = p.job_id
GROUP BY j.handler;

COMMENT ON VIEW evtrack.handler_status IS
'One row per handler: items and batches of all its jobs, by status. Plain names count items; names with the prefix '
'batches_ count batches.';
COMMENT ON COLUMN evtrack.handler_status.done IS 'Items completed.';
