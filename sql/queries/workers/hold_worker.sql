-- A lock that says for as long as this session lives that its worker does.
SELECT pg_try_advisory_lock(
    hashtextextended('evtrack.worker', %(worker_id)s::bigint)
) AS held
