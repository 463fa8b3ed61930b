-- Lock a job's row and return it. Raises EV003 if there is no such job; for a
-- job that was dropped, the error says when and where it was archived.
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
                THEN 'See evtrack.dropped_job for what is left of it.'
                ELSE format('Run evtrack archive restore %s --job %s to '
                    'restore its log.', gone.archive, the_job) END;
    END IF;
    RAISE EXCEPTION 'no such job: %', the_job
        USING ERRCODE = 'EV003', HINT = 'Run evtrack jobs to list the latest jobs.';
END $$;
