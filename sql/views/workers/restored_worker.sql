CREATE OR REPLACE VIEW evtrack.restored_worker AS
SELECT
    r.job_id,
    w.worker_id::bigint AS worker_id,
    w.name,
    r.restored_at
FROM evtrack.restored AS r
CROSS JOIN LATERAL jsonb_each_text(r.workers) AS w (worker_id, name);

COMMENT ON VIEW evtrack.restored_worker IS
'One row a worker that an archived job names: its number belongs to another worker here, or to none.';
COMMENT ON COLUMN evtrack.restored_worker.restored_at IS 'What the job did later was done by workers of this database.';
