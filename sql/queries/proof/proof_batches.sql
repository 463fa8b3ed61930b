-- Read all batches of a job from the projection.
SELECT
    batch_no,
    status::text AS status,
    version,
    attempt,
    fresh,
    run_at,
    item_count,
    weight,
    ordinals::text AS ordinals,
    root_no,
    parent_no,
    errors,
    crashes,
    losses,
    exclusive_losses,
    isolation::text AS isolation,
    enqueued_at,
    worker_id,
    started_at,
    finished_at,
    run_s,
    error,
    links
FROM evtrack.batch
WHERE job_id = %(job_id)s
ORDER BY batch_no
