-- Read the owner of evtrack's schema, the current role, and whether it has the owner's rights.
SELECT
    pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
    pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS may,
    current_user AS asks
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'evtrack'
