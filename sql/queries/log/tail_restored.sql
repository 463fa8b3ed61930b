-- Read the restored events of all jobs, of one, or of one of its streams. A seq comes from the job's original log and
-- may occur twice, so jobs are read one after the other.
SELECT
    job_day,
    job_id,
    batch_no,
    version,
    type::text AS type,
    attempt,
    worker_id,
    at,
    seq,
    xid::text::bigint AS xid,
    data
FROM evtrack.event_log
WHERE
    xid = '0'
    AND (%(job_day)s::date IS NULL OR job_day = %(job_day)s)
    AND (%(job_id)s::bigint IS NULL OR job_id = %(job_id)s)
    AND (%(batch_no)s::integer IS NULL OR batch_no = %(batch_no)s)
    AND (job_id, seq) > (%(after_job)s::bigint, %(seq)s::bigint)
ORDER BY job_id, seq
