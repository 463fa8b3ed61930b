-- Mark the source of a job as complete. Call finish_due() after the commit: it
-- finishes a job without open batches at once.
CREATE OR REPLACE FUNCTION evtrack.seal(
    the_job bigint, the_submitter uuid
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    IF j.phase IN ('sealed', 'finished') AND j.submitter = the_submitter THEN
        RETURN;
    END IF;
    IF j.phase <> 'open' THEN
        RAISE EXCEPTION 'job % is % and cannot be sealed', the_job, j.phase
            USING ERRCODE = 'EV004';
    END IF;
    IF j.submitter IS DISTINCT FROM the_submitter THEN
        RAISE EXCEPTION 'another submitter has job %', the_job
            USING ERRCODE = 'EV005',
            HINT = 'This submitter was considered dead; stop it.';
    END IF;
    PERFORM evtrack.append_job_event(j, 'sealed');
END $$;
