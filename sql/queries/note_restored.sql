-- That a job came back, and whether its items did.
INSERT INTO evtrack.restored AS r (job_id, with_items)
SELECT
    %(job_id)s,
    count(*) > 0 AS with_items
FROM evtrack.payload
WHERE job_id = %(job_id)s
ON CONFLICT (job_id) DO UPDATE SET
    restored_at = excluded.restored_at,
    with_items = excluded.with_items
