-- List the workers with these numbers, in any state.
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
WHERE worker_id = any(%(worker_ids)s::bigint[])
