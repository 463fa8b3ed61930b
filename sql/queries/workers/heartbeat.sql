-- Record that a worker is alive, and whether this session holds its lock; and read what upkeep_turn reads, so that a
-- large fleet needs no statement for that alone. Nothing is lost with a heartbeat that a crash of the server loses, so
-- it does not wait for the disk, or for a standby.
SELECT
    u.reaper,
    u.reaped_s,
    u.workers,
    evtrack.heartbeat(%(worker_id)s::bigint, %(busy)s::integer, %(lock_pid)s::integer) AS accepted, -- noqa: RF02
    CASE
        WHEN %(lock_pid)s::integer IS NOT NULL THEN %(lock_pid)s::integer = pg_backend_pid() -- noqa: RF02
        ELSE evtrack.has_session_lock(hashtextextended('evtrack.worker', %(worker_id)s::bigint), true) -- noqa: RF02
    END AS session_lock
FROM (VALUES (1)) AS s (n)
LEFT JOIN evtrack.upkeep_status AS u ON true
WHERE set_config('synchronous_commit', 'off', true) = 'off'
