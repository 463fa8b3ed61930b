-- Make the progress counters add up to what the log says: add the difference to the current bucket, so that the
-- timeline before stays as it was.
INSERT INTO evtrack.progress AS p (
    job_id, shard, bucket, pending_batches, pending_items, running_batches,
    running_items, completed_batches, completed_items, failed_batches,
    failed_items, crashed_batches, crashed_items, split_batches, split_items,
    cancelled_batches, cancelled_items
)
SELECT
    %(job_id)s,
    0 AS shard,
    evtrack.bucket() AS bucket,
    %(pending_batches)s - coalesce(sum(s.pending_batches), 0) AS pending_batches,
    %(pending_items)s - coalesce(sum(s.pending_items), 0) AS pending_items,
    %(running_batches)s - coalesce(sum(s.running_batches), 0) AS running_batches,
    %(running_items)s - coalesce(sum(s.running_items), 0) AS running_items,
    %(completed_batches)s - coalesce(sum(s.completed_batches), 0) AS completed_batches,
    %(completed_items)s - coalesce(sum(s.completed_items), 0) AS completed_items,
    %(failed_batches)s - coalesce(sum(s.failed_batches), 0) AS failed_batches,
    %(failed_items)s - coalesce(sum(s.failed_items), 0) AS failed_items,
    %(crashed_batches)s - coalesce(sum(s.crashed_batches), 0) AS crashed_batches,
    %(crashed_items)s - coalesce(sum(s.crashed_items), 0) AS crashed_items,
    %(split_batches)s - coalesce(sum(s.split_batches), 0) AS split_batches,
    %(split_items)s - coalesce(sum(s.split_items), 0) AS split_items,
    %(cancelled_batches)s - coalesce(sum(s.cancelled_batches), 0) AS cancelled_batches,
    %(cancelled_items)s - coalesce(sum(s.cancelled_items), 0) AS cancelled_items
FROM evtrack.progress AS s
WHERE s.job_id = %(job_id)s
ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
    pending_batches = p.pending_batches + excluded.pending_batches,
    pending_items = p.pending_items + excluded.pending_items,
    running_batches = p.running_batches + excluded.running_batches,
    running_items = p.running_items + excluded.running_items,
    completed_batches = p.completed_batches + excluded.completed_batches,
    completed_items = p.completed_items + excluded.completed_items,
    failed_batches = p.failed_batches + excluded.failed_batches,
    failed_items = p.failed_items + excluded.failed_items,
    crashed_batches = p.crashed_batches + excluded.crashed_batches,
    crashed_items = p.crashed_items + excluded.crashed_items,
    split_batches = p.split_batches + excluded.split_batches,
    split_items = p.split_items + excluded.split_items,
    cancelled_batches = p.cancelled_batches + excluded.cancelled_batches,
    cancelled_items = p.cancelled_items + excluded.cancelled_items
