-- List workers below a number, whatever their state.
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
WHERE worker_id < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY worker_id DESC
LIMIT (%(limit)s)
