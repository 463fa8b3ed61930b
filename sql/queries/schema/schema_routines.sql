-- The routines that are left in evtrack's schema.
SELECT coalesce(array_agg(p.oid::regprocedure::text ORDER BY p.oid::regprocedure::text), '{}') AS routines
FROM pg_proc AS p
WHERE p.pronamespace = 'evtrack'::regnamespace
