-- Whether any session, or only this one, holds this advisory lock. Reads
-- pg_locks, because trying to lock would take it.
CREATE OR REPLACE FUNCTION evtrack.has_session_lock(
    key bigint, mine boolean DEFAULT false
) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (
                SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname = pg_catalog.current_database())
            AND (l.classid::bigint << 32) | l.objid::bigint = key
            AND (NOT mine OR l.pid = pg_catalog.pg_backend_pid())
    )
$$;
