-- A lock that shows, for as long as this session lives, that its worker is alive.
SELECT pg_try_advisory_lock(
    hashtextextended('evtrack.worker', %(worker_id)s::bigint)
) AS held
