-- Read the streams of a hunt's batches, without the bulk of errors and crash reports.
SELECT
    s.job_day,
    s.job_id,
    s.batch_no,
    s.version,
    s.type,
    s.attempt,
    s.worker_id,
    s.at,
    s.seq,
    s.xid,
    s.data
FROM unnest(%(batch_nos)s::integer[]) AS n (batch_no)
CROSS JOIN
    LATERAL (
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
            e.data - '{error,stderr,native_traceback,python_traceback}'::text[] AS data
        FROM evtrack.event_log AS e
        WHERE
            e.job_day = %(job_day)s AND e.job_id = %(job_id)s AND e.batch_no = n.batch_no AND e.version <= %(upto)s
        ORDER BY e.version
        LIMIT (%(upto)s)
    ) AS s
ORDER BY s.batch_no, s.version
