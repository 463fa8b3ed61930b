-- List the latest workers, in any state.
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
ORDER BY started_at DESC
LIMIT (%(limit)s)
