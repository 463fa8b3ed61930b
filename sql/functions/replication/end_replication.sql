-- Take over a log that this database received by logical replication, or that
-- a copy of the other server brought: from now on it is written here. Checks
-- that no subscription writes to it any more and that each job's events have
-- arrived, sets the sequences, which are not replicated, and adopts the log.
-- Returns how many jobs it has. For the owner only.
CREATE OR REPLACE FUNCTION evtrack.end_replication() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    t record;
    subscription text;
    state "char";
    missing bigint;
BEGIN
    SELECT s.subname, nullif(r.srsubstate, 'r') INTO subscription, state
    FROM pg_subscription s
    JOIN pg_subscription_rel r ON r.srsubid = s.oid
    JOIN pg_class c ON c.oid = r.srrelid
    WHERE c.relnamespace = 'evtrack'::regnamespace
        AND (s.subenabled OR r.srsubstate <> 'r')
    ORDER BY nullif(r.srsubstate, 'r') NULLS LAST LIMIT 1;
    IF state IS NOT NULL THEN
        RAISE EXCEPTION 'the subscription % has not copied all tables yet',
            quote_ident(subscription) USING ERRCODE = '55000',
            HINT = 'Wait until srsubstate is r for all of its tables in '
            'pg_subscription_rel.';
    ELSIF subscription IS NOT NULL THEN
        RAISE EXCEPTION 'the subscription % is still writing to this log',
            quote_ident(subscription) USING ERRCODE = '55000',
            HINT = 'Stop what writes to the other database, wait until all of '
            'it has arrived, and then DROP SUBSCRIPTION '
            || quote_ident(subscription) || '.';
    ELSIF NOT EXISTS (SELECT FROM evtrack.schema_version) THEN
        RAISE EXCEPTION 'this database has received nothing yet'
            USING ERRCODE = '55000', HINT = 'Create the subscription first.';
    END IF;
    -- A day without a partition here may have been left out without an error.
    SELECT min(j.job_id) INTO missing FROM evtrack.job j
    WHERE NOT EXISTS (
        SELECT FROM evtrack.event e
        WHERE e.job_day = j.job_day AND e.job_id = j.job_id
            AND e.batch_no = 0 AND e.version = j.version)
    OR j.batch_count > 0 AND NOT EXISTS (
        SELECT FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.batch_no = j.batch_count);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the log of job % has not arrived completely', missing
            USING ERRCODE = '55000', HINT = 'Wait until all changes have '
            'arrived. If its day began after the subscription was created, run '
            'ALTER SUBSCRIPTION ... REFRESH PUBLICATION, or publish with '
            'publish_via_partition_root.';
    END IF;
    FOR t IN
        SELECT g.tgrelid::regclass AS name FROM pg_trigger g
        JOIN pg_class c ON c.oid = g.tgrelid
        WHERE c.relnamespace = 'evtrack'::regnamespace
            AND g.tgname = 'receiving'
    LOOP
        EXECUTE format('DROP TRIGGER receiving ON %s', t.name);
    END LOOP;
    ALTER TABLE evtrack.event ENABLE ALWAYS TRIGGER event_fold;
    ALTER TABLE evtrack.payload ENABLE ALWAYS TRIGGER payload_guard;
    PERFORM evtrack.guard_partitions(true);
    PERFORM evtrack.adopt_events();
    PERFORM evtrack.make_partitions();
    RETURN (SELECT count(*) FROM evtrack.job);
END $$;
