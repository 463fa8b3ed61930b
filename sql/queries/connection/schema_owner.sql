-- Who owns evtrack's schema, who asks, and whether he may do what the owner may.
SELECT
    pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
    pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS may,
    current_user AS asks
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'evtrack'
