SELECT l.pid
FROM pg_catalog.pg_locks AS l
INNER JOIN pg_catalog.pg_database AS d ON l.database = d.oid
WHERE
    l.locktype = 'advisory'
    AND l.granted
    AND l.objsubid = 1
    AND d.datname = pg_catalog.current_database()
    AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('evtrack.cleanup', 0)
