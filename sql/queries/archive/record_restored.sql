-- Record that a job was restored, with or without its items, and the names of its workers.
INSERT INTO evtrack.restored AS r (job_id, with_items, workers)
SELECT
    %(job_id)s,
    count(*) > 0 AS with_items,
    %(workers)s::jsonb AS workers
FROM evtrack.payload
WHERE job_id = %(job_id)s
ON CONFLICT (job_id) DO UPDATE SET
    restored_at = excluded.restored_at,
    with_items = excluded.with_items,
    workers = excluded.workers
