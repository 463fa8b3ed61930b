-- Record that a worker is alive, and whether this session holds its lock.
SELECT
    evtrack.heartbeat(%(worker_id)s::bigint, %(busy)s::integer) AS accepted,
    evtrack.has_session_lock(
        hashtextextended('evtrack.worker', %(worker_id)s::bigint), true
    ) AS session_lock
