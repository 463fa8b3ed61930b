-- List the lines of the ledger below a job, latest job first.
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
WHERE job_id < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY job_id DESC
LIMIT (%(limit)s)
