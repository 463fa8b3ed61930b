CREATE OR REPLACE VIEW evtrack.restored_worker AS
SELECT
    r.job_id,
    w.worker_id::bigint AS worker_id,
    w.name,
    r.restored_at
FROM evtrack.restored AS r
CROSS JOIN LATERAL jsonb_each_text(r.workers) AS w (worker_id, name);

COMMENT ON VIEW evtrack.restored_worker IS
'One row per worker that a restored job names. In this database its number may belong to another worker.';
COMMENT ON COLUMN evtrack.restored_worker.restored_at IS
'When the job was restored. Its later events come from workers of this database.';
