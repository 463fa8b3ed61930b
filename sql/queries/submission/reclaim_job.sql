-- Take over a submission whose submitter is gone.
SELECT
    r.job_id,
    r.job_day,
    r.submitter,
    r.batch_count,
    r.item_count,
    r.invalid_count,
    r.position,
    r.source,
    r.handler,
    r.bytes_read,
    r.bytes_total
FROM evtrack.reclaim(%(job_id)s::bigint, %(submitter)s::uuid) AS r
