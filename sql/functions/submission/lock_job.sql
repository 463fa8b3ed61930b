-- Lock a job's row and return it. Raises EV003 when there is none, and says of
-- one that retention dropped where it went.
CREATE OR REPLACE FUNCTION evtrack.lock_job(the_job bigint) RETURNS evtrack.job
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
    gone evtrack.ledger;
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = the_job FOR UPDATE;
    IF FOUND THEN RETURN j; END IF;
    SELECT * INTO gone FROM evtrack.ledger WHERE job_id = the_job;
    IF FOUND THEN
        RAISE EXCEPTION 'job % was dropped on %, %', the_job,
            to_char(gone.dropped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'),
            coalesce('archived to ' || gone.archive, 'not archived')
            USING ERRCODE = 'EV003', HINT = CASE WHEN gone.archive IS NULL
                THEN 'evtrack.dropped_job shows what is left of it.'
                ELSE format('evtrack archive restore %s --job %s brings its '
                    'log back.', gone.archive, the_job) END;
    END IF;
    RAISE EXCEPTION 'there is no job %', the_job
        USING ERRCODE = 'EV003', HINT = 'evtrack jobs lists them.';
END $$;
