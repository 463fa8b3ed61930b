-- Read one stream above a version, in the order of its versions.
SELECT
    e.job_day,
    e.job_id,
    e.batch_no,
    e.version,
    e.type::text AS type,
    e.attempt,
    e.worker_id,
    e.at,
    e.seq,
    e.xid::text::bigint AS xid,
    e.data
FROM evtrack.event_log AS e
WHERE
    e.job_day = %(job_day)s -- noqa: RF02
    AND e.job_id = %(job_id)s
    AND e.batch_no = %(batch_no)s
    AND e.version > %(after)s
    AND e.version <= %(upto)s
ORDER BY e.version
