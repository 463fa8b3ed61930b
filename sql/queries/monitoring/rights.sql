-- List the parts a role can play, evtrack's role for each, and whether the current role may play it. Reads no evtrack
-- table, so that a role without any rights gets an answer.
SELECT
    p.part,
    p.role,
    to_regrole(p.role) IS NOT NULL AS role_exists,
    has_schema_privilege('evtrack', 'USAGE') AND CASE
        WHEN p.functions = '{}'
            THEN
                coalesce((
                    SELECT has_table_privilege(c.oid, 'SELECT')
                    FROM pg_catalog.pg_class AS c
                    WHERE c.relnamespace = to_regnamespace('evtrack') AND c.relname = 'job_status'
                ), false)
        ELSE coalesce((
            SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE'))
            FROM pg_catalog.pg_proc AS f
            WHERE f.pronamespace = to_regnamespace('evtrack') AND f.proname = any(p.functions)
        ), false)
    END AS i_may
FROM
    (
        VALUES
        ('submit', 'evtrack_producer', '{create_job,add_batches,seal,enqueue}'::text[]),
        ('read', 'evtrack_reader', '{}'::text[]),
        ('watch', 'evtrack_watcher', '{take_alerts,mark_alerts,reap}'::text[]),
        ('work', 'evtrack_worker', '{register_worker,claim,complete,crash,heartbeat}'::text[])
    ) AS p (part, role, functions)
ORDER BY p.role
