-- Read what is left of a job that cleanup dropped.
SELECT
    job_id,
    job_day,
    name,
    handler,
    phase::text AS phase,
    batches,
    items,
    invalid,
    events,
    created_at,
    ended_at,
    dropped_at,
    archive,
    digest
FROM evtrack.dropped_job
WHERE job_id = %(job_id)s
