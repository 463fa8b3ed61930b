-- How long the completed batches among the latest numbers of a job ran.
SELECT
    count(*) AS batches,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY b.run_s) AS p50_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY b.run_s) AS p95_s,
    max(b.run_s) AS max_s
FROM evtrack.batch_status AS b
WHERE b.job_id = %(job_id)s AND b.batch_no > %(above)s::integer AND b.status = 'completed' AND b.run_s IS NOT NULL
