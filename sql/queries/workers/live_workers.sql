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
    silent_s,
    in_hand
FROM evtrack.worker_status
WHERE state IN ('alive', 'silent')
ORDER BY started_at, worker_id
LIMIT (%(limit)s)
