-- Cancel a job: its pending batches are cancelled; running ones continue, but
-- are not retried. Returns whether anything changed.
CREATE OR REPLACE FUNCTION evtrack.cancel(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    IF j.phase = 'cancelled' THEN RETURN false; END IF;
    IF j.phase = 'finished' THEN
        RAISE EXCEPTION 'job % is finished: nothing is left to cancel', the_job
            USING ERRCODE = 'EV004';
    END IF;
    PERFORM evtrack.append_job_event(j, 'cancelled');
    WITH waiting AS (
        SELECT b.batch_no, b.version, b.attempt FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.status = 'pending'
        ORDER BY b.batch_no FOR UPDATE
    )
    INSERT INTO evtrack.event (
        job_day, job_id, batch_no, version, type, attempt, data)
    SELECT j.job_day, j.job_id, w.batch_no, w.version + 1, 'cancelled',
        w.attempt, '{"reason": "job cancelled"}'
    FROM waiting w;
    -- No batch is new any more: searches need not walk over these.
    UPDATE evtrack.job o SET fresh_after = o.batch_count
    WHERE o.job_id = the_job;
    RETURN true;
END $$;
