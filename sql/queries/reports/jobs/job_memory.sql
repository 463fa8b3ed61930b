-- Read one job from evtrack.job_memory.
SELECT
    job_id,
    handler,
    batches,
    min_bytes,
    p50_bytes,
    p99_bytes,
    max_bytes,
    cpu_s,
    killed,
    killed_max_bytes
FROM evtrack.job_memory
WHERE job_id = %(job_id)s
