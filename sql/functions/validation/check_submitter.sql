-- Raise an error unless this job of this day is open and `token` belongs to its
-- submitter.
CREATE OR REPLACE FUNCTION evtrack.check_submitter(
    the_job bigint, the_day date, token text
) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job;
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = the_job;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such job: %', the_job USING ERRCODE = 'EV003',
            HINT = 'Call create_job first.';
    ELSIF j.job_day <> the_day THEN
        RAISE EXCEPTION 'job % belongs to day %, got %', the_job, j.job_day,
            the_day USING ERRCODE = 'EV007',
            HINT = 'create_job returns the day; every row needs it.';
    ELSIF j.submitter::text IS DISTINCT FROM token THEN
        RAISE EXCEPTION 'another submitter has job %', the_job
            USING ERRCODE = 'EV005', HINT = 'Present the token that create_job '
            'returned: SELECT set_config(''evtrack.submitter'', TOKEN, true).';
    ELSIF j.phase <> 'open' THEN
        RAISE EXCEPTION 'job % is %: it accepts no more items', the_job, j.phase
            USING ERRCODE = 'EV004', HINT = 'Submit a new job.';
    END IF;
END $$;
