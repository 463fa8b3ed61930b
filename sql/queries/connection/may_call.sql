-- Whether this role may call one of evtrack's functions.
SELECT bool_and(has_function_privilege(oid, 'EXECUTE'))
FROM pg_catalog.pg_proc
WHERE pronamespace = 'evtrack'::regnamespace AND proname = %(name)s::text
