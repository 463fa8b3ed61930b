SELECT
    job_id,
    batch_no,
    status,
    item_count,
    weight,
    attempt,
    worker,
    enqueued_at,
    started_at,
    finished_at,
    run_s,
    error,
    item_summary,
    root_no,
    parent_no,
    errors,
    crashes,
    losses,
    exclusive_losses,
    isolation::text AS isolation,
    run_at
FROM evtrack.batch_status
WHERE
    job_id = %(job_id)s
    AND (%(statuses)s::evtrack.status[] IS NULL OR status = any(%(statuses)s::evtrack.status[]))
ORDER BY batch_no
LIMIT (%(limit)s)
