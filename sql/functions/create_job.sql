-- Open a job for one handler. `submitter` is the token of the submission's
-- lease: only who has it may add batches and seal.
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
DECLARE
    bad text;
BEGIN
    IF coalesce(handler, '') = '' OR handler ~ '[[:cntrl:]]'
        OR length(handler) > 200 THEN
        RAISE EXCEPTION 'handler is %: it needs 1 to 200 printable characters',
            coalesce(quote_literal(left(handler, 60)), 'null')
            USING ERRCODE = 'EV007';
    END IF;
    SELECT p.key INTO bad FROM jsonb_each(coalesce(policy, '{}')) p
    WHERE NOT CASE
        WHEN p.key = 'per_item'
            THEN jsonb_typeof(p.value) IN ('boolean', 'null')
        -- These are read as integers, and what they bound is a smallint.
        WHEN p.key IN ('max_errors', 'max_crashes', 'max_losses')
            THEN p.value::text ~ '^([0-9]{1,4}|null)$'
        ELSE p.key IN (
                'backoff_s', 'backoff_max_s', 'timeout_s', 'stall_s',
                'max_rss_bytes')
            AND (jsonb_typeof(p.value) = 'null'
                OR jsonb_typeof(p.value) = 'number'
                    AND p.value::text::numeric BETWEEN 0 AND 1e15)
        END LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'policy key %: % is not a policy value',
            quote_literal(left(bad, 60)), left((policy -> bad)::text, 60)
            USING ERRCODE = 'EV007', HINT = 'Keys: max_errors, max_crashes, '
            'max_losses, backoff_s, backoff_max_s, timeout_s, stall_s, '
            'max_rss_bytes (numbers from 0; counts whole and up to 9999), '
            'per_item (boolean).';
    END IF;
    job_id := nextval('evtrack.job_id_seq');
    job_day := (now() AT TIME ZONE 'UTC')::date;
    submitter_token := coalesce(submitter, gen_random_uuid());
    -- Workers make the days ahead; where none has run for a week this is the
    -- last resort, and better than refusing the work.
    IF to_regclass(format('evtrack.result_%s', to_char(job_day, 'YYYYMMDD')))
        IS NULL THEN
        PERFORM evtrack.make_partitions(job_day, 2);
    END IF;
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    VALUES (job_day, job_id, 0, 1, 'created', jsonb_strip_nulls(
        jsonb_build_object(
            'handler', handler, 'name', name, 'priority', priority,
            'policy', coalesce(policy, '{}'), 'source', coalesce(source, '{}'),
            'bytes_total', bytes_total, 'submitter', submitter_token)));
    RETURN NEXT;
END $$;
