-- Read one job from evtrack.job_status.
SELECT
    job_id,
    name,
    handler,
    priority,
    phase,
    suspended,
    outcome,
    total,
    done,
    failed,
    crashed,
    cancelled,
    invalid,
    pending,
    running,
    percent,
    batches,
    pace,
    eta,
    elapsed_s,
    note_count,
    created_at,
    sealed_at,
    finished_at,
    cancelled_at
FROM evtrack.job_status
WHERE job_id = %(job_id)s
