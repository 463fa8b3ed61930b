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
    size integer := coalesce(batch_size, greatest(n, 1));
    batches integer;
    job bigint := nextval('evtrack.job_id_seq');
    too_long boolean;
    day date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    IF n = 0 OR cardinality(payloads) IS DISTINCT FROM n OR size < 1 THEN
        RAISE EXCEPTION 'enqueue needs one item key per payload, at least one, '
            'and a batch_size of at least 1; got %, % and %', n,
            coalesce(cardinality(payloads), 0), size USING ERRCODE = 'EV007';
    END IF;
    -- Longer keys would violate the index on keys, with an obscure message. Each
    -- key is measured only if all of them together are that long.
    IF octet_length(array_to_string(item_keys, '')) > 1000 THEN
        too_long := EXISTS (
            SELECT FROM unnest(item_keys) k WHERE octet_length(k) > 1000);
    END IF;
    IF too_long OR '' = ANY(item_keys)
        OR array_position(item_keys, NULL) IS NOT NULL
        OR strpos(array_to_string(item_keys, ''), E'\n') > 0 THEN
        RAISE EXCEPTION 'an item key is empty, longer than 1000 bytes, or has '
            'a newline' USING ERRCODE = 'EV007';
    END IF;
    IF strpos(array_to_string(payloads, ''), E'\n') > 0
        OR octet_length(array_to_string(payloads, '')) > 268435456 THEN
        RAISE EXCEPTION 'a payload has a newline, or all of them together have '
            'more than 256 MB' USING ERRCODE = 'EV007', HINT = 'Write JSON '
            'without newlines; for more data use create_job and add_batches.';
    END IF;
    PERFORM evtrack.check_job(handler, policy), evtrack.need_partition(day);
    batches := (n - 1) / size + 1;
    -- All events in one statement, with the items: one fold instead of four. The
    -- first three are the job's own. A text that is cast takes half as long as a
    -- function that builds the object.
    WITH item AS (
        INSERT INTO evtrack.payload (
            job_day, job_id, ordinal, batch_no, item_key, payload)
        SELECT day, job, i, (i - 1) / size + 1, k, p
        FROM unnest(item_keys, payloads) WITH ORDINALITY AS u (k, p, i)
    )
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    SELECT day, job, greatest(b, 0), CASE WHEN b > 0 THEN 1 ELSE b + 3 END,
        CASE b WHEN -2 THEN 'created' WHEN -1 THEN 'extended'
            WHEN 0 THEN 'sealed' ELSE 'enqueued' END::evtrack.event_type,
        CASE b
            WHEN -2 THEN jsonb_strip_nulls(jsonb_build_object(
                'handler', handler, 'name', left(name, 500),
                'priority', priority, 'policy', coalesce(policy, '{}'),
                'digest_form', 2))
            WHEN -1 THEN ('{"batches": ' || batches || ', "items": ' || n
                || ', "first_batch_no": 1}')::jsonb
            WHEN 0 THEN '{}'
            ELSE ('{"first": ' || (b - 1) * size + 1 || ', "items": '
                || least(size, n - (b - 1) * size) || '}')::jsonb END
    FROM generate_series(-2, batches) b;
    RETURN job;
END $$;
