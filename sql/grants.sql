-- Make the rights of PUBLIC and of evtrack's roles match the view
-- evtrack.role_right, which lists all rights. Runs at the end of each migration
-- and changes only what differs. Roles that the cluster does not have are
-- skipped, and rights that were granted to other roles stay.
DO $$
DECLARE
    change text;
BEGIN
    FOR change IN
        WITH thing AS (
            SELECT 'schema' AS kind, 'SCHEMA' AS word, n.nspname::text AS name,
                format('%I', n.nspname) AS identity,
                coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
            FROM pg_catalog.pg_namespace n
            WHERE n.nspname = 'evtrack'
            UNION ALL
            SELECT 'function', 'FUNCTION', p.proname, format('evtrack.%I(%s)',
                p.proname, pg_get_function_identity_arguments(p.oid)),
                coalesce(p.proacl, acldefault('f', p.proowner))
            FROM pg_catalog.pg_proc p
            WHERE p.pronamespace = 'evtrack'::regnamespace
            UNION ALL
            SELECT CASE WHEN c.relkind = 'v' THEN 'view' ELSE 'table' END,
                CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                c.relname, format('evtrack.%I', c.relname),
                coalesce(c.relacl, acldefault(CASE WHEN c.relkind = 'S'
                    THEN 's' ELSE 'r' END::"char", c.relowner))
            FROM pg_catalog.pg_class c
            WHERE c.relnamespace = 'evtrack'::regnamespace
                AND c.relkind IN ('r', 'p', 'v', 'S')
            UNION ALL
            -- USAGE on a type would let others create operators for it.
            SELECT 'type', 'TYPE', t.typname, format('evtrack.%I', t.typname),
                coalesce(t.typacl, acldefault('T', t.typowner))
            FROM pg_catalog.pg_type t
            WHERE t.typnamespace = 'evtrack'::regnamespace AND t.typtype = 'e'
        ), held AS (
            SELECT t.word, t.identity, a.privilege_type AS privilege,
                CASE a.grantee WHEN 0 THEN 'PUBLIC'
                    ELSE quote_ident(g.rolname) END AS grantee
            FROM thing t
            CROSS JOIN LATERAL aclexplode(t.acl) a
            LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
            WHERE a.grantee = 0 OR g.rolname IN ('evtrack_producer',
                'evtrack_reader', 'evtrack_watcher', 'evtrack_worker')
        ), due AS (
            SELECT t.word, t.identity, r.privilege,
                quote_ident(g.rolname) AS grantee
            FROM evtrack.role_right r
            JOIN pg_catalog.pg_roles g ON g.rolname = r.role
            JOIN thing t ON t.kind = r.kind AND t.name = r.name
        )
        SELECT format('REVOKE %s ON %s %s FROM %s',
            x.privilege, x.word, x.identity, x.grantee)
        FROM (SELECT * FROM held EXCEPT SELECT * FROM due) x
        UNION ALL
        SELECT format('GRANT %s ON %s %s TO %s',
            x.privilege, x.word, x.identity, x.grantee)
        FROM (SELECT * FROM due EXCEPT SELECT * FROM held) x
    LOOP
        EXECUTE change;
    END LOOP;
END $$;
