-- The workers with these numbers, whatever became of them.
SELECT
    worker_id,
    name,
    state,
    host,
    pid,
    handlers,
    slots,
    busy,
    version,
    started_at,
    seen_at,
    silent_s
FROM evtrack.worker_status
WHERE worker_id = any(%(worker_ids)s::bigint[])
