CREATE OR REPLACE VIEW evtrack.batch_duration AS
SELECT -- noqa: ST06
    j.job_id,
    j.handler,
    count(*) AS batches,
    sum(b.item_count)::bigint AS items,
    avg(b.run_s) AS mean_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY b.run_s) AS p50_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY b.run_s) AS p95_s,
    max(b.run_s)::double precision AS max_s,
    sum(b.run_s::double precision) AS total_s,
    b.job_day
FROM evtrack.job AS j
INNER JOIN evtrack.batch AS b ON j.job_day = b.job_day AND j.job_id = b.job_id
WHERE b.status = 'completed' AND b.run_s IS NOT NULL
GROUP BY j.job_id, j.handler, b.job_day;

COMMENT ON VIEW evtrack.batch_duration IS
'How long completed batches ran, one row per job: the seconds in the handler, measured by the slot, without waiting.';
COMMENT ON COLUMN evtrack.batch_duration.items IS 'Items completed in these batches.';
COMMENT ON COLUMN evtrack.batch_duration.total_s IS 'Handler seconds of all batches together.';
COMMENT ON COLUMN evtrack.batch_duration.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
