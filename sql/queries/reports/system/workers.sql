-- List the latest workers, in any state unless only live ones are asked for.
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
WHERE
    (%(every)s OR state IN ('alive', 'silent'))
    AND (%(worker_ids)s::bigint[] IS NULL OR worker_id = any(%(worker_ids)s::bigint[]))
    AND (%(handler)s::text IS NULL OR %(handler)s::text = any(handlers))
ORDER BY started_at DESC, worker_id ASC
LIMIT (%(limit)s)
