-- Whether this user may call a function of evtrack's.
SELECT bool_and(has_function_privilege(oid, 'EXECUTE'))
FROM pg_catalog.pg_proc
WHERE pronamespace = 'evtrack'::regnamespace AND proname = %(name)s::text
