-- The routines in evtrack's schema that nothing depends on, such as a trigger.
SELECT coalesce(array_agg(p.oid::regprocedure::text ORDER BY p.oid::regprocedure::text), '{}') AS routines
FROM pg_proc AS p
WHERE
    p.pronamespace = 'evtrack'::regnamespace
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype = 'n'
    )
