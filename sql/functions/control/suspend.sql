-- Stop new claims on a job's batches; running ones continue. Changes one row,
-- however long the queue is. Returns whether anything changed.
CREATE OR REPLACE FUNCTION evtrack.suspend(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    IF j.suspended THEN RETURN false; END IF;
    IF j.phase IN ('finished', 'cancelled') THEN
        RAISE EXCEPTION 'job % is %: nothing is left to suspend',
            the_job, j.phase USING ERRCODE = 'EV004';
    END IF;
    PERFORM evtrack.append_job_event(j, 'suspended');
    RETURN true;
END $$;
