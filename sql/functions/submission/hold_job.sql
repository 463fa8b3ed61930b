-- Hold a job's submission for as long as this session lives: the sign of life
-- of its submitter. Returns whether it is held now; a second hold of the same
-- session is the first.
CREATE OR REPLACE FUNCTION evtrack.hold_job(job_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bigint := hashtextextended('evtrack.submit', job_id);
BEGIN
    IF evtrack.has_session_lock(key, true) THEN RETURN true; END IF;
    RETURN pg_try_advisory_lock(key);
END $$;
