-- Submit a whole small job in one call and one transaction: its payloads,
-- batches of batch_size items (null: all in one), sealed. Returns its id.
-- Notify 'evtrack_work' with the handler's name after the commit.
CREATE OR REPLACE FUNCTION evtrack.enqueue(
    handler text,
    item_keys text [],
    payloads text [],
    name text DEFAULT NULL,
    priority smallint DEFAULT 0,
    policy jsonb DEFAULT '{}',
    batch_size integer DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    n integer := coalesce(cardinality(item_keys), 0);
    size integer := coalesce(batch_size, greatest(cardinality(item_keys), 1));
    made record;
BEGIN
    IF n = 0 OR cardinality(payloads) IS DISTINCT FROM n OR size < 1 THEN
        RAISE EXCEPTION 'enqueue needs as many item_keys as payloads, one at '
            'least, and a batch_size from 1; got %, % and %', n,
            coalesce(cardinality(payloads), 0), size USING ERRCODE = 'EV007';
    END IF;
    SELECT * INTO made FROM evtrack.create_job(handler, name, priority, policy);
    INSERT INTO evtrack.payload (
        job_day, job_id, ordinal, batch_no, item_key, payload)
    SELECT made.job_day, made.job_id, i, (i - 1) / size + 1, k, p
    FROM unnest(item_keys, payloads) WITH ORDINALITY AS u (k, p, i);
    -- One INSERT for the rest of the stream: this is the short way.
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    SELECT made.job_day, made.job_id, 0, 2, 'extended'::evtrack.event_type,
        jsonb_build_object('batches', (n - 1) / size + 1, 'items', n,
            'first_batch_no', 1)
    UNION ALL
    SELECT made.job_day, made.job_id, 0, 3, 'sealed', '{}'
    UNION ALL
    SELECT made.job_day, made.job_id, b, 1, 'enqueued', jsonb_build_object(
        'items', least(b * size, n) - (b - 1) * size,
        'weight', least(b * size, n) - (b - 1) * size,
        'ordinals', '{[' || (b - 1) * size + 1 || ','
            || least(b * size, n) + 1 || ')}')
    FROM generate_series(1, (n - 1) / size + 1) b;
    RETURN made.job_id;
END $$;
