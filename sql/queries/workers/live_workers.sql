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
WHERE stopped_at IS NULL AND lost_at IS NULL
ORDER BY started_at, worker_id
LIMIT (%(limit)s)
