-- Whether a session holds the job's submission, see evtrack.hold_job.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory'
        AND granted
        AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('evtrack.submit', %(job_id)s)
) AS lives
