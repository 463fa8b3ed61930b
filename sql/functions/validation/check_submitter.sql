-- Raise an error unless this job of this day is open and `token` is that of
-- its submission.
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
        RAISE EXCEPTION 'there is no job %', the_job USING ERRCODE = 'EV003',
            HINT = 'Call create_job first.';
    ELSIF j.job_day <> the_day THEN
        RAISE EXCEPTION 'job % is of the day %, not %', the_job, j.job_day,
            the_day USING ERRCODE = 'EV007',
            HINT = 'create_job returns the day; each row carries it.';
    ELSIF j.submitter::text IS DISTINCT FROM token THEN
        RAISE EXCEPTION 'job % is being submitted by another', the_job
            USING ERRCODE = 'EV005', HINT = 'Present the token that create_job '
            'returned: SELECT set_config(''evtrack.submitter'', TOKEN, true).';
    ELSIF j.phase <> 'open' THEN
        RAISE EXCEPTION 'job % is %: it takes no more items', the_job, j.phase
            USING ERRCODE = 'EV004', HINT = 'Submit a new job.';
    END IF;
END $$;
