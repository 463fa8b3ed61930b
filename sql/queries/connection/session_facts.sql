-- Where a session is, who it is, and when its transaction began. A role that
-- may call a function of the producer or of the worker may do more than read.
SELECT
    current_database()::text AS database,
    current_user::text AS role,
    transaction_timestamp() AS at,
    pg_is_in_recovery() AS standby,
    NOT coalesce(
        (
            SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE'))
            FROM pg_catalog.pg_proc AS p
            WHERE
                p.pronamespace = 'evtrack'::regnamespace
                AND p.proname IN ('create_job', 'claim', 'mark_alerts')
        ),
        false
    ) AS reads_only
