CREATE OR REPLACE VIEW evtrack.slowest_batch AS
SELECT -- noqa: ST06
    b.job_id,
    b.batch_no,
    b.handler,
    b.status,
    b.run_s,
    b.item_count,
    b.run_s / nullif(b.item_count, 0) AS item_s,
    b.attempt,
    b.worker,
    b.started_at,
    b.finished_at,
    b.item_summary,
    b.job_day
FROM evtrack.batch_status AS b
WHERE b.run_s IS NOT NULL
ORDER BY b.run_s DESC;

COMMENT ON VIEW evtrack.slowest_batch IS
'Batches by the run time of their last attempt, slowest first. Filter by job_id or finished_at, '
'and add a LIMIT.';
COMMENT ON COLUMN evtrack.slowest_batch.item_s IS 'Seconds per item.';
COMMENT ON COLUMN evtrack.slowest_batch.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
