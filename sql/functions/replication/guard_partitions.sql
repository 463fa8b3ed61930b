-- Let the guards of the log's partitions stop everybody, or everybody but the
-- sessions of a subscription.
CREATE OR REPLACE FUNCTION evtrack.guard_partitions(from_subscriptions boolean)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN
        SELECT g.tgrelid FROM pg_trigger g
        WHERE g.tgname = 'event_partition'
            AND g.tgfoid = 'evtrack.refuse()'::regprocedure
            AND g.tgenabled <> CASE WHEN from_subscriptions THEN 'A' ELSE 'O' END
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER event_partition', part,
            CASE WHEN from_subscriptions THEN 'ALWAYS' ELSE '' END);
    END LOOP;
END $$;
