-- A lock that shows, for as long as this session lives, that its worker is alive: the session's process, if it took it.
SELECT
    CASE
        WHEN pg_try_advisory_lock(hashtextextended('evtrack.worker', %(worker_id)s::bigint)) THEN pg_backend_pid()
    END AS lock_pid
