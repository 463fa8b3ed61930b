-- Record what a worker's slots have in hand: an array with an object for each
-- item or batch that has been running for a while, with slot (its process),
-- job_id, batch_no, attempt, handler, item_key, ordinal (both missing if the
-- handler has the whole batch) and running_s, the seconds since it began. It
-- replaces the report before; null or an empty array clears it. Returns false
-- if the worker was declared lost. Not part of the log: evtrack.running_item
-- shows what of it is still true.
CREATE OR REPLACE FUNCTION evtrack.report_in_hand(
    the_worker bigint, in_hand jsonb
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    instant timestamptz := clock_timestamp();
    given integer := 0;
    kept jsonb;
BEGIN
    IF jsonb_typeof(in_hand) = 'array' THEN
        given := jsonb_array_length(in_hand);
    END IF;
    IF coalesce(jsonb_typeof(in_hand), 'array') NOT IN ('array', 'null')
        OR given > 1000 THEN
        RAISE EXCEPTION 'worker %: in_hand must be an array of at most 1000 '
            'objects', the_worker USING ERRCODE = 'EV007';
    END IF;
    IF given > 0 THEN
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
            'slot', x.item -> 'slot', 'job_id', x.item -> 'job_id',
            'batch_no', x.item -> 'batch_no', 'attempt', x.item -> 'attempt',
            'handler', left(x.item ->> 'handler', 200),
            'item_key', left(x.item ->> 'item_key', 200),
            'ordinal', x.item -> 'ordinal',
            'begun_at', instant - (x.item ->> 'running_s')::float8
                * interval '1 second')) ORDER BY x.place)
        INTO kept
        FROM jsonb_array_elements(in_hand) WITH ORDINALITY AS x (item, place)
        WHERE CASE WHEN jsonb_typeof(x.item) = 'object'
                AND jsonb_typeof(x.item -> 'running_s') = 'number'
                AND length(x.item ->> 'running_s') <= 40
                AND jsonb_typeof(x.item -> 'handler') = 'string'
            THEN (x.item ->> 'running_s')::numeric BETWEEN 0 AND 1e9
                AND x.item ->> 'job_id' ~ '^[0-9]{1,18}$'
                AND x.item ->> 'batch_no' ~ '^[0-9]{1,9}$'
                AND x.item ->> 'attempt' ~ '^[0-9]{1,9}$'
                AND coalesce(x.item ->> 'ordinal', '0') ~ '^[0-9]{1,9}$'
                AND coalesce(x.item ->> 'slot', '0') ~ '^[0-9]{1,18}$'
            ELSE false END;
        IF coalesce(jsonb_array_length(kept), 0) < given THEN
            RAISE EXCEPTION 'worker %: in_hand has an object without job_id, '
                'batch_no, attempt, handler or running_s, or with an invalid '
                'number', the_worker USING ERRCODE = 'EV007';
        END IF;
    END IF;
    UPDATE evtrack.worker w SET in_hand = kept, in_hand_at = instant
    WHERE w.worker_id = the_worker
        AND w.lost_at IS NULL AND w.stopped_at IS NULL;
    IF FOUND THEN RETURN true; END IF;
    PERFORM evtrack.find_worker(the_worker);
    RETURN false;
END $$;
