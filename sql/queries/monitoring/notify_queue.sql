-- How full the NOTIFY queue is, and the oldest session that may hold it: one that listens keeps the notifications
-- that came in its transaction. Asking also removes what nobody needs, as else only a NOTIFY that succeeds does.
SELECT
    u.used,
    a.pid,
    coalesce(nullif(a.application_name, ''), 'unnamed') AS application,
    coalesce(extract(EPOCH FROM clock_timestamp() - a.xact_start), 0)::double precision AS open_s
FROM (SELECT pg_notification_queue_usage() AS used) AS u
LEFT JOIN
    LATERAL (
        SELECT
            s.pid,
            s.application_name,
            s.xact_start
        FROM pg_stat_activity AS s
        WHERE
            s.backend_type = 'client backend' AND s.pid <> pg_backend_pid()
            AND s.xact_start IS NOT NULL
        -- One in a transaction that does nothing is the likely one.
        ORDER BY s.state LIKE 'idle in transaction%%' DESC, s.xact_start
        LIMIT 1
    ) AS a
    ON true
