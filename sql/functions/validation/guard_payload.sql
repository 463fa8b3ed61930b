-- Let a producer write items of its own submission only: of an open job whose
-- token it presents, by set_config('evtrack.submitter', token, true) in the
-- same transaction. Runs as who inserts; what runs as the owner, as enqueue()
-- does, is not asked.
CREATE OR REPLACE FUNCTION evtrack.guard_payload() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
BEGIN
    IF pg_has_role(current_user, (
        SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE') THEN
        RETURN NULL;
    END IF;
    FOR a IN SELECT DISTINCT n.job_id, n.job_day FROM added n LOOP
        PERFORM evtrack.check_submitter(a.job_id, a.job_day,
            current_setting('evtrack.submitter', true));
    END LOOP;
    RETURN NULL;
END $$;
