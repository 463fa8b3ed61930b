-- Prepare this database to receive all of evtrack's tables from another one by
-- logical replication: until end_replication(), the subscription may write to
-- them and nobody else, and the fold does not run, because what it would write
-- is received too. Its own rows, such as the list of migrations, are received
-- as well, so they are deleted here. For the owner only.
CREATE OR REPLACE FUNCTION evtrack.begin_replication() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    t record;
BEGIN
    IF evtrack.is_receiving() THEN
        RETURN;
    END IF;
    LOCK TABLE ONLY evtrack.event, ONLY evtrack.worker IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM evtrack.event) OR EXISTS (SELECT FROM evtrack.worker)
    THEN
        RAISE EXCEPTION 'this database has jobs or workers of its own: it '
            'cannot receive the log of another one'
            USING ERRCODE = 'EV007', HINT = 'Use a new database, with the '
            'schema of the other one: pg_dump --schema-only.';
    END IF;
    FOR t IN SELECT r.name, r.kind FROM evtrack.replicated_tables() r LOOP
        IF t.kind = 'r' THEN
            EXECUTE format('TRUNCATE evtrack.%I', t.name);
        END IF;
        -- Not ALWAYS: the sessions of a subscription do not fire it.
        EXECUTE format('CREATE TRIGGER receiving BEFORE INSERT OR UPDATE OR '
            'DELETE OR TRUNCATE ON evtrack.%I FOR EACH STATEMENT '
            'EXECUTE FUNCTION evtrack.refuse_write()', t.name);
    END LOOP;
    ALTER TABLE evtrack.event DISABLE TRIGGER event_fold;
    -- It would spool all items that are copied.
    ALTER TABLE evtrack.payload DISABLE TRIGGER payload_guard;
    PERFORM evtrack.guard_partitions(false);
END $$;
