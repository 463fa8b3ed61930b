-- Record that a worker is alive, and whether this session holds its lock. Nothing is lost with a heartbeat that a crash
-- of the server loses, so it does not wait for the disk, or for a standby.
SELECT
    evtrack.heartbeat(%(worker_id)s::bigint, %(busy)s::integer, %(lock_pid)s::integer) AS accepted,
    CASE
        WHEN %(lock_pid)s::integer IS NOT NULL THEN %(lock_pid)s::integer = pg_backend_pid()
        ELSE evtrack.has_session_lock(hashtextextended('evtrack.worker', %(worker_id)s::bigint), true)
    END AS session_lock
WHERE set_config('synchronous_commit', 'off', true) = 'off'
