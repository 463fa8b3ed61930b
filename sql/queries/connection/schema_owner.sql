-- Who owns evtrack's schema, who is asking, and whether that user has the owner's rights.
SELECT
    pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
    pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS has_owner_rights,
    current_user AS asking_user
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'evtrack'
