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
FROM (
    SELECT *
    FROM evtrack.worker_status
    WHERE %(before)s::bigint IS NULL OR worker_id < %(before)s::bigint
    ORDER BY worker_id DESC
    LIMIT (%(walk)s)
) AS looked
WHERE %(handler)s::text IS NULL OR %(handler)s::text = any(handlers)
ORDER BY worker_id DESC
LIMIT (%(limit)s)
