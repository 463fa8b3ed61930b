-- Say that a worker lives, and whether the session that says so holds its lock.
SELECT
    evtrack.heartbeat(%(worker_id)s::bigint, %(busy)s::integer) AS accepted,
    evtrack.has_session_lock(
        hashtextextended('evtrack.worker', %(worker_id)s::bigint), true
    ) AS session_lock
