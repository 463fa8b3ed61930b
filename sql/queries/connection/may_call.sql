-- Whether this user may call one of evtrack's functions.
SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) AS may_call
FROM pg_catalog.pg_proc
WHERE pronamespace = 'evtrack'::regnamespace AND proname = %(name)s::text
