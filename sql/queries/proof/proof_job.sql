-- Read a job from the projection.
SELECT
    job_day,
    handler,
    name,
    priority,
    phase::text AS phase,
    suspended,
    version,
    policy,
    source,
    position,
    bytes_read,
    bytes_total,
    batch_count,
    item_count,
    invalid_count,
    note_count,
    submitter,
    digest_form,
    created_at,
    extended_at,
    sealed_at,
    finished_at,
    cancelled_at,
    links
FROM evtrack.job
WHERE job_id = %(job_id)s
