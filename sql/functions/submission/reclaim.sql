-- Take over the submission of an open or abandoned job whose submitter is gone.
-- The calling session holds it from then on.
CREATE OR REPLACE FUNCTION evtrack.reclaim(
    the_job bigint, new_submitter uuid DEFAULT NULL
) RETURNS TABLE (
    job_id bigint, job_day date, submitter uuid, batch_count integer,
    item_count bigint, invalid_count bigint, "position" jsonb, source jsonb,
    policy jsonb, handler text, bytes_read bigint, bytes_total bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
    token uuid := coalesce(new_submitter, gen_random_uuid());
BEGIN
    IF j.phase NOT IN ('open', 'abandoned') THEN
        RAISE EXCEPTION 'job % is %: there is nothing to resume',
            the_job, j.phase USING ERRCODE = 'EV004',
            HINT = format('Run evtrack status %s to see it.', the_job);
    END IF;
    IF NOT evtrack.hold_job(the_job) THEN
        RAISE EXCEPTION 'job % is still being submitted', the_job
            USING ERRCODE = 'EV005',
            HINT = 'Stop its submitter first, or let it finish.';
    END IF;
    PERFORM evtrack.append_job_event(
        j, 'reclaimed', jsonb_build_object('submitter', token));
    RETURN QUERY SELECT j.job_id, j.job_day, token, j.batch_count, j.item_count,
        j.invalid_count, j.position, j.source, j.policy, j.handler,
        j.bytes_read, j.bytes_total;
END $$;
