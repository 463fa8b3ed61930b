-- Take a duty for as long as this session lives, unless another session has it.
-- Returns the process that has it, as in pg_backend_pid(). To give it up before,
-- unlock its lock_key.
CREATE OR REPLACE FUNCTION evtrack.take_duty(the_duty text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d evtrack.duty;
BEGIN
    SELECT * INTO STRICT d FROM evtrack.duty o
    WHERE o.duty = the_duty FOR UPDATE;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.pid = d.pid
            AND (l.classid::bigint << 32) | l.objid::bigint = d.lock_key
    ) THEN
        RETURN d.pid;
    END IF;
    -- Random, so that nobody has it; and it counts with this process only.
    d.lock_key := ('x' || right(gen_random_uuid()::text, 12))::bit(48)::bigint;
    IF NOT pg_try_advisory_lock(d.lock_key) THEN RETURN NULL; END IF;
    UPDATE evtrack.duty o SET pid = pg_backend_pid(), lock_key = d.lock_key
    WHERE o.duty = the_duty;
    RETURN pg_backend_pid();
END $$;
