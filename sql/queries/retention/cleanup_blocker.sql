-- The session that has used the log's tables for longest in its open transaction.
SELECT
    a.pid,
    a.application_name AS application,
    extract(EPOCH FROM clock_timestamp() - a.xact_start)::double precision AS open_s
FROM pg_catalog.pg_locks AS l
INNER JOIN pg_catalog.pg_stat_activity AS a ON l.pid = a.pid
WHERE
    l.granted
    AND l.relation = any(ARRAY['evtrack.event', 'evtrack.batch', 'evtrack.payload', 'evtrack.result']::regclass[])
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.xact_start IS NOT NULL
ORDER BY a.xact_start
LIMIT 1
