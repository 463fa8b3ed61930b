-- Hold a job's submission for as long as this session lives, to show that its
-- submitter is alive. Returns whether this session holds it now; holding it
-- twice has no further effect.
CREATE OR REPLACE FUNCTION evtrack.hold_job(job_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bigint := hashtextextended('evtrack.submit', job_id);
BEGIN
    IF evtrack.has_session_lock(key, true) THEN RETURN true; END IF;
    RETURN pg_try_advisory_lock(key);
END $$;
