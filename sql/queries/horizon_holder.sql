-- The process whose open transaction is the horizon: nothing that came later is shown before it ends.
SELECT
    pid,
    datname AS database,
    coalesce(nullif(application_name, ''), 'unnamed') AS application,
    extract(EPOCH FROM clock_timestamp() - xact_start)::double precision AS open_s
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY age(backend_xid) DESC
LIMIT 1
