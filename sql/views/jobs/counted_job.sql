-- Each job with its counters summed: what needs a job's sums reads them here. They are summed in a LATERAL subquery per
-- job, so WHERE job_id = x reads only that job's few counter rows, whether it has ten batches or a million. A sum that
-- is not selected is not computed.
CREATE OR REPLACE VIEW evtrack.counted_job AS
SELECT -- noqa: ST06
    j.job_id,
    j.job_day,
    j.handler,
    j.priority,
    j.phase,
    j.suspended,
    j.policy,
    j.batch_count,
    j.item_count,
    j.invalid_count,
    j.bytes_read,
    j.bytes_total,
    j.created_at,
    j.finished_at,
    j.cancelled_at,
    c.pending_batches,
    c.pending_items,
    c.running_batches,
    c.running_items,
    c.completed_batches,
    c.completed_items,
    c.failed_batches,
    c.failed_items,
    c.crashed_batches,
    c.crashed_items,
    c.split_batches,
    c.split_items,
    c.cancelled_batches,
    c.cancelled_items,
    c.recent_items,
    c.recent_from
FROM evtrack.job AS j
CROSS JOIN
    LATERAL (
        SELECT
            coalesce(sum(p.pending_batches), 0)::bigint AS pending_batches,
            coalesce(sum(p.pending_items), 0)::bigint AS pending_items,
            coalesce(sum(p.running_batches), 0)::bigint AS running_batches,
            coalesce(sum(p.running_items), 0)::bigint AS running_items,
            coalesce(sum(p.completed_batches), 0)::bigint AS completed_batches,
            coalesce(sum(p.completed_items), 0)::bigint AS completed_items,
            coalesce(sum(p.failed_batches), 0)::bigint AS failed_batches,
            coalesce(sum(p.failed_items), 0)::bigint AS failed_items,
            coalesce(sum(p.crashed_batches), 0)::bigint AS crashed_batches,
            coalesce(sum(p.crashed_items), 0)::bigint AS crashed_items,
            coalesce(sum(p.split_batches), 0)::bigint AS split_batches,
            coalesce(sum(p.split_items), 0)::bigint AS split_items,
            coalesce(sum(p.cancelled_batches), 0)::bigint AS cancelled_batches,
            coalesce(sum(p.cancelled_items), 0)::bigint AS cancelled_items,
            sum(r.items) AS recent_items,
            min(p.bucket) FILTER (WHERE r.items <> 0) AS recent_from
        FROM evtrack.progress AS p
        CROSS JOIN
            LATERAL (
                SELECT
                    CASE
                        -- A manual retry lowers these counts; that must not lower the pace.
                        WHEN p.bucket * 10.0 > extract(EPOCH FROM statement_timestamp()) - 60
                            THEN greatest(0, p.completed_items + p.failed_items + p.crashed_items)
                        ELSE 0
                    END AS items
            ) AS r
        WHERE p.job_id = j.job_id
    ) AS c;

COMMENT ON VIEW evtrack.counted_job IS
'One row per job, with its batches and items by status: for the other views and the functions.';
COMMENT ON COLUMN evtrack.counted_job.recent_items IS 'Items that ended in the last minute.';
COMMENT ON COLUMN evtrack.counted_job.recent_from IS 'The first ten seconds in which some of these ended, as a bucket.';
