-- Let a suspended job's batches be claimed again. Returns whether anything
-- changed. Notify 'evtrack_work' with the handler's name after the commit.
CREATE OR REPLACE FUNCTION evtrack.resume(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    IF NOT j.suspended THEN RETURN false; END IF;
    PERFORM evtrack.append_job_event(j, 'resumed');
    RETURN true;
END $$;
