SELECT pg_advisory_unlock(d.lock_key) AS released
FROM evtrack.duty AS d
WHERE d.duty = 'cleanup' AND d.pid = pg_backend_pid()
