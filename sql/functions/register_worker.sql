-- Announce a worker. Returns its id, which every claim and report carries.
CREATE OR REPLACE FUNCTION evtrack.register_worker(
    name text, host text, pid integer, slots integer, handlers text[],
    version text
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT evtrack.settle_log();
    INSERT INTO evtrack.worker (name, host, pid, slots, handlers, version)
    VALUES (name, host, pid, slots, handlers, version)
    RETURNING worker_id
$$;
