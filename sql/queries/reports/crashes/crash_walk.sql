-- Where a walk over so many crashes ends; no row if there are not that many.
SELECT
    at,
    job_id,
    batch_no
FROM
    evtrack.crashes_before(
        %(at)s::timestamptz, %(before_job)s::bigint, %(before_batch)s::integer, %(job_id)s::bigint,
        %(since)s::timestamptz, %(walk)s::integer
    )
ORDER BY at DESC, job_id DESC, batch_no DESC
LIMIT 1 OFFSET (%(walk)s - 1)
