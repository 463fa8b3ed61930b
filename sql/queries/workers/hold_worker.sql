-- Take the lock that shows that a worker is alive, for as long as this session
-- lives.
SELECT pg_try_advisory_lock(
    hashtextextended('evtrack.worker', %(worker_id)s::bigint)
) AS held
