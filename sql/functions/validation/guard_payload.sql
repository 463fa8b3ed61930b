-- Let a producer insert only items of its own submission: of an open job whose
-- token it has presented in the same transaction by
-- set_config('evtrack.submitter', token, true). Runs with the rights of whoever
-- inserts. The owner, and functions that run as the owner, such as enqueue(),
-- are not checked.
CREATE OR REPLACE FUNCTION evtrack.guard_payload() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
BEGIN
    -- The owner can also delete, and a producer cannot. Not a look-up of the
    -- owner, which takes longer than all else here.
    IF has_table_privilege(TG_RELID, 'DELETE') THEN
        RETURN NULL;
    END IF;
    FOR a IN SELECT DISTINCT n.job_id, n.job_day FROM added n LOOP
        PERFORM evtrack.check_submitter(a.job_id, a.job_day,
            current_setting('evtrack.submitter', true));
    END LOOP;
    RETURN NULL;
END $$;
