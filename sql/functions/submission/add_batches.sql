-- Append a chunk of batches to an open job, with the position that it reached
-- in the source. Batch i of the arrays gets the number first_batch_no + i - 1
-- and item_counts[i] items starting at the ordinal first_ordinals[i]; the
-- caller has written their payload rows in this transaction. If splits have
-- taken these numbers in the meantime, the batches and their payload rows get
-- the next free numbers. `notes`, an array of {source, reason, key?}, describes
-- invalid items; `note_total` also counts those that did not fit. Returns the
-- job's last batch number.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.add_batches(
    the_job bigint,
    the_submitter uuid,
    first_batch_no integer,
    item_counts integer[],
    weights bigint[],
    first_ordinals integer[],
    source_position jsonb DEFAULT NULL,
    source_bytes_read bigint DEFAULT NULL,
    invalid integer DEFAULT 0,
    notes jsonb DEFAULT NULL,
    note_total integer DEFAULT 0
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
    n integer := coalesce(cardinality(item_counts), 0);
    items bigint := 0;
    stored bigint;
    follows boolean;
    -- How many numbers splits have taken in the meantime.
    later integer := j.batch_count + 1 - first_batch_no;
BEGIN
    IF j.phase <> 'open' THEN
        RAISE EXCEPTION 'job % is %: it accepts no more batches', the_job, j.phase
            USING ERRCODE = 'EV004', HINT = CASE j.phase WHEN 'abandoned'
                THEN format('Run evtrack submit --resume %s to continue it.', the_job)
                ELSE 'Submit a new job.' END;
    END IF;
    IF j.submitter IS DISTINCT FROM the_submitter THEN
        RAISE EXCEPTION 'another submitter has job %', the_job
            USING ERRCODE = 'EV005',
            HINT = 'This submitter was considered dead; stop it.';
    END IF;
    PERFORM evtrack.check_object('position', source_position, 64000);
    PERFORM evtrack.check_notes(notes);
    IF source_bytes_read < 0 OR invalid < 0 THEN
        RAISE EXCEPTION 'job %: invalid bytes_read % or invalid count %', the_job,
            coalesce(source_bytes_read::text, 'null'),
            coalesce(invalid::text, 'null')
            USING ERRCODE = 'EV007', HINT = 'Pass numbers from 0, or null.';
    END IF;
    IF n > 0 THEN
        IF coalesce(later, -1) < 0
            OR cardinality(weights) IS DISTINCT FROM n
            OR cardinality(first_ordinals) IS DISTINCT FROM n THEN
            RAISE EXCEPTION 'job %: the next batch is %, got %; each batch needs '
                'one of item_counts, weights and first_ordinals',
                the_job, j.batch_count + 1, first_batch_no
                USING ERRCODE = 'EV007';
        END IF;
        IF 1 > ANY(item_counts) OR 0 > ANY(weights)
            OR array_position(item_counts, NULL) IS NOT NULL
            OR array_position(weights, NULL) IS NOT NULL THEN
            RAISE EXCEPTION 'job %: a batch has no items, or a negative '
                'weight', the_job USING ERRCODE = 'EV007',
                HINT = 'item_counts must be at least 1, weights at least 0.';
        END IF;
        -- Each batch ends where the next one begins.
        SELECT sum(u.items), bool_and(u.first + u.items = u.following)
        INTO items, follows
        FROM unnest(item_counts, first_ordinals, first_ordinals[2:]
            || first_ordinals[n] + item_counts[n]) AS u (items, first, following);
        SELECT count(*) INTO stored FROM evtrack.payload p
        WHERE p.job_day = j.job_day AND p.job_id = j.job_id
            AND p.ordinal >= first_ordinals[1]
            AND p.ordinal < first_ordinals[n] + item_counts[n];
        IF stored <> items OR follows IS NOT TRUE
            OR first_ordinals[1] <> j.item_count + 1 THEN
            RAISE EXCEPTION 'job %: items % to % do not match the % payload '
                'rows there; the next ordinal is %', the_job, first_ordinals[1],
                first_ordinals[n] + item_counts[n] - 1, stored, j.item_count + 1
                USING ERRCODE = 'EV007',
                HINT = 'COPY the payload rows first, in the same transaction.';
        END IF;
        IF later > 0 THEN
            UPDATE evtrack.payload p SET batch_no = p.batch_no + later
            WHERE p.job_day = j.job_day AND p.job_id = j.job_id
                AND p.ordinal >= first_ordinals[1]
                AND p.ordinal < first_ordinals[n] + item_counts[n];
            first_batch_no := first_batch_no + later;
        END IF;
    END IF;
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    SELECT j.job_day, j.job_id, 0, j.version + 1,
        'extended'::evtrack.event_type, jsonb_strip_nulls(jsonb_build_object(
            'batches', n, 'items', items, 'first_batch_no',
            CASE WHEN n > 0 THEN first_batch_no END,
            'position', source_position, 'bytes_read', source_bytes_read,
            'invalid', nullif(invalid, 0)))
    UNION ALL
    SELECT j.job_day, j.job_id, 0, j.version + 2, 'noted',
        jsonb_build_object(
            'total', greatest(note_total, jsonb_array_length(notes)),
            'notes', notes)
    WHERE jsonb_array_length(notes) > 0
    UNION ALL
    SELECT j.job_day, j.job_id, first_batch_no + (c.i - 1)::integer, 1,
        -- A text that is cast takes half as long as jsonb_build_object().
        'enqueued', ('{"first": ' || c.first || ', "items": ' || c.items
            || CASE WHEN c.weight <> c.items THEN ', "weight": ' || c.weight
                ELSE '' END || '}')::jsonb
    FROM unnest(item_counts, weights, first_ordinals)
        WITH ORDINALITY AS c (items, weight, first, i);
    RETURN j.batch_count + n;
END $$;
