-- Whether a session holds the job's submission, see evtrack.hold_job.
SELECT count(*) > 0 AS lives
FROM pg_locks AS l
INNER JOIN pg_database AS d ON l.database = d.oid
WHERE
    d.datname = current_database()
    AND l.locktype = 'advisory'
    AND l.granted
    AND l.objsubid = 1
    AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended('evtrack.submit', %(job_id)s) -- noqa: RF02
