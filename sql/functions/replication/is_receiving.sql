-- Whether this database receives its tables from another one by logical
-- replication; see begin_replication().
CREATE OR REPLACE FUNCTION evtrack.is_receiving() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_trigger g
        WHERE g.tgrelid = 'evtrack.event'::regclass AND g.tgname = 'receiving')
$$;
