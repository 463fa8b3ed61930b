-- Read facts about the server and this session.
SELECT
    current_setting('server_version_num')::integer AS version_num,
    current_setting('server_version') AS version,
    pg_is_in_recovery() AS standby,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS durable,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('max_connections')::integer AS max_connections,
    (
        SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend'
    ) AS connections,
    current_user::text AS role,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
