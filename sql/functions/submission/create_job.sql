-- Open a job for one handler. `submitter` is the token of the submission: only
-- its holder may add batches and seal the job.
CREATE OR REPLACE FUNCTION evtrack.create_job(
    handler text,
    name text DEFAULT NULL,
    priority smallint DEFAULT 0,
    policy jsonb DEFAULT '{}',
    source jsonb DEFAULT '{}',
    bytes_total bigint DEFAULT NULL,
    submitter uuid DEFAULT NULL
) RETURNS TABLE (job_id bigint, job_day date, submitter_token uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.check_job(handler, policy);
    PERFORM evtrack.check_object('source', source, 2000000);
    IF bytes_total < 0 THEN
        RAISE EXCEPTION 'invalid bytes_total: %', bytes_total USING ERRCODE = 'EV007',
            HINT = 'Pass a number from 0, or null if it is unknown.';
    END IF;
    job_id := nextval('evtrack.job_id_seq');
    job_day := (now() AT TIME ZONE 'UTC')::date;
    submitter_token := coalesce(submitter, gen_random_uuid());
    PERFORM evtrack.need_partition(job_day);
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    VALUES (job_day, job_id, 0, 1, 'created', jsonb_strip_nulls(
        jsonb_build_object(
            'handler', handler, 'name', left(name, 500), 'priority', priority,
            'policy', coalesce(policy, '{}'),
            'digest_form', 2, 'source', coalesce(source, '{}'),
            'bytes_total', bytes_total, 'submitter', submitter_token)));
    RETURN NEXT;
END $$;
