-- Lock a job's row and return it. Raises EV003 when there is none.
CREATE OR REPLACE FUNCTION evtrack.lock_job(the_job bigint) RETURNS evtrack.job
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = the_job FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', the_job
            USING ERRCODE = 'EV003', HINT = 'evtrack jobs lists them.';
    END IF;
    RETURN j;
END $$;
