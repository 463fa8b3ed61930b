-- Submit a small job in one call and one transaction: its payloads, and batches
-- of batch_size items (null: all in one). The job is sealed. Returns its id.
-- Notify 'evtrack_work' with the handler's name after the commit.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.enqueue(
    handler text,
    item_keys text[],
    payloads text[],
    name text DEFAULT NULL,
    priority smallint DEFAULT 0,
    policy jsonb DEFAULT '{}',
    batch_size integer DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    n integer := coalesce(cardinality(item_keys), 0);
    size integer := coalesce(batch_size, greatest(cardinality(item_keys), 1));
    job bigint := nextval('evtrack.job_id_seq');
    day date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    IF n = 0 OR cardinality(payloads) IS DISTINCT FROM n OR size < 1 THEN
        RAISE EXCEPTION 'enqueue needs one item key per payload, at least one, '
            'and a batch_size of at least 1; got %, % and %', n,
            coalesce(cardinality(payloads), 0), size USING ERRCODE = 'EV007';
    END IF;
    -- Longer keys would violate the index on keys, with an obscure message.
    IF EXISTS (
        SELECT FROM unnest(item_keys) k WHERE coalesce(k, '') = ''
            OR octet_length(k) > 1000 OR strpos(k, E'\n') > 0
    ) THEN
        RAISE EXCEPTION 'an item key is empty, longer than 1000 bytes, or has '
            'a newline' USING ERRCODE = 'EV007';
    END IF;
    IF (SELECT sum(octet_length(p)) FROM unnest(payloads) p) > 268435456
        OR EXISTS (SELECT FROM unnest(payloads) p WHERE strpos(p, E'\n') > 0)
    THEN
        RAISE EXCEPTION 'a payload has a newline, or all of them together have '
            'more than 256 MB' USING ERRCODE = 'EV007', HINT = 'Write JSON '
            'without newlines; for more data use create_job and add_batches.';
    END IF;
    PERFORM evtrack.check_job(handler, policy);
    PERFORM evtrack.need_partition(day);
    INSERT INTO evtrack.payload (
        job_day, job_id, ordinal, batch_no, item_key, payload)
    SELECT day, job, i, (i - 1) / size + 1, k, p
    FROM unnest(item_keys, payloads) WITH ORDINALITY AS u (k, p, i);
    -- All events in one statement: one fold instead of four.
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    SELECT day, job, 0, 1, 'created'::evtrack.event_type,
        jsonb_strip_nulls(jsonb_build_object('handler', handler,
            'name', left(name, 500), 'priority', priority,
            'policy', coalesce(policy, '{}')))
    UNION ALL
    SELECT day, job, 0, 2, 'extended', jsonb_build_object(
        'batches', (n - 1) / size + 1, 'items', n, 'first_batch_no', 1)
    UNION ALL
    SELECT day, job, 0, 3, 'sealed', '{}'
    UNION ALL
    SELECT day, job, b, 1, 'enqueued', jsonb_build_object(
        'items', least(b * size, n) - (b - 1) * size,
        'weight', least(b * size, n) - (b - 1) * size,
        'ordinals', '{[' || (b - 1) * size + 1 || ','
            || least(b * size, n) + 1 || ')}')
    FROM generate_series(1, (n - 1) / size + 1) b;
    RETURN job;
END $$;
