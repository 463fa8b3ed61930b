-- Finish a sealed job that has no open batch. Never call it in the transaction
-- that completes a batch: of the last two, each would see the other still
-- running. Returns whether it finished the job now.
CREATE OR REPLACE FUNCTION evtrack.finish_due(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job;
BEGIN
    -- Check without the lock first: the answer is nearly always no.
    PERFORM 1 FROM evtrack.job WHERE job_id = the_job AND phase = 'sealed';
    IF NOT FOUND OR evtrack.open_batches(the_job) > 0 THEN
        RETURN false;
    END IF;
    PERFORM evtrack.settle_log();
    j := evtrack.lock_job(the_job);
    RETURN j.phase = 'sealed' AND evtrack.open_batches(the_job) = 0
        AND evtrack.finish_job(j);
END $$;
