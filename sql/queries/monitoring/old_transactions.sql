-- List old transactions that hold back the horizon, oldest first: until they end, dead rows cannot be removed, and
-- metrics count nothing new.
SELECT
    pid,
    datname AS database,
    coalesce(nullif(application_name, ''), 'unnamed') AS application,
    coalesce(state, 'unknown') AS state,
    extract(EPOCH FROM clock_timestamp() - xact_start)::double precision AS open_s,
    '' AS gid
FROM pg_stat_activity
WHERE
    pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
    AND xact_start < clock_timestamp() - %(older_s)s * interval '1 second'
UNION ALL
SELECT
    0 AS pid,
    database,
    'a prepared transaction' AS application,
    'prepared' AS state,
    extract(EPOCH FROM clock_timestamp() - prepared)::double precision AS open_s,
    gid
FROM pg_prepared_xacts
WHERE prepared < clock_timestamp() - %(older_s)s * interval '1 second'
ORDER BY open_s DESC
LIMIT 5
