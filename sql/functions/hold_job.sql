-- Hold a job's submission for as long as this session lives: the sign of life
-- of its submitter. Returns whether it is held now; a second hold of the same
-- session is the first.
CREATE OR REPLACE FUNCTION evtrack.hold_job(job_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bigint := hashtextextended('evtrack.submit', job_id);
BEGIN
    IF EXISTS (
        SELECT 1 FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
            AND objsubid = 1
            AND ((classid::bigint << 32) | objid::bigint) = key
    ) THEN
        RETURN true;
    END IF;
    RETURN pg_try_advisory_lock(key);
END $$;
