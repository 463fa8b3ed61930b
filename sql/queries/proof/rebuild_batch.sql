-- Replace a batch's row with what the log says.
INSERT INTO evtrack.batch (
    job_day, job_id, batch_no, status, fresh, version, attempt, errors, crashes,
    losses, exclusive_losses, isolation, item_count, root_no, parent_no, run_s, weight, worker_id, run_at,
    enqueued_at, started_at, finished_at, ordinals, error, links
) VALUES (
    %(job_day)s, %(job_id)s, %(batch_no)s, %(status)s, %(fresh)s, %(version)s,
    %(attempt)s, %(errors)s, %(crashes)s, %(losses)s, %(exclusive_losses)s,
    %(isolation)s, %(item_count)s,
    %(root_no)s, %(parent_no)s, %(run_s)s, %(weight)s, %(worker_id)s,
    %(run_at)s, %(enqueued_at)s, %(started_at)s, %(finished_at)s,
    %(ordinals)s, %(error)s, %(links)s
)
ON CONFLICT (job_id, batch_no, job_day) DO UPDATE SET
    status = excluded.status,
    fresh = excluded.fresh,
    version = excluded.version,
    attempt = excluded.attempt,
    errors = excluded.errors,
    crashes = excluded.crashes,
    losses = excluded.losses,
    exclusive_losses = excluded.exclusive_losses,
    isolation = excluded.isolation,
    item_count = excluded.item_count,
    root_no = excluded.root_no,
    parent_no = excluded.parent_no,
    run_s = excluded.run_s,
    weight = excluded.weight,
    worker_id = excluded.worker_id,
    run_at = excluded.run_at,
    enqueued_at = excluded.enqueued_at,
    started_at = excluded.started_at,
    finished_at = excluded.finished_at,
    ordinals = excluded.ordinals,
    error = excluded.error,
    links = excluded.links
