-- Read one batch as it is now.
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
WHERE job_id = %(job_id)s AND batch_no = %(batch_no)s
