-- Create evtrack's roles, which belong to the whole cluster. Needs CREATEROLE. sql/grants.sql grants their rights.
DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY
        '{evtrack_producer,evtrack_reader,evtrack_watcher,evtrack_worker}'::text[]
    LOOP
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_catalog.pg_roles WHERE rolname = made) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', made);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another session created it at the same moment
        END;
    END LOOP;
END $$;
