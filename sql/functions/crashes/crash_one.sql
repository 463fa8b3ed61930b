-- Append the events that follow from the crash of one held batch, whose job is
-- locked:
-- * A single item is requeued while its crash budget lasts; then it is poison
--   and stays crashed.
-- * Of several items, the item in hand becomes a batch of its own and the
--   untouched rest another; if the item in hand is unknown, there are two
--   halves.
-- * Finished items stay in the old batch, which is completed; if none is
--   finished, it is split.
-- * A lost worker counts against no item: the whole batch is requeued while its
--   lost-worker budget lasts.
-- * In a cancelled job nothing is requeued.
CREATE OR REPLACE FUNCTION evtrack.crash_one(
    the_worker bigint, the_job bigint, the_batch integer, dossier jsonb,
    done int4multirange, lines text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
    b evtrack.batch;
    open_items int4multirange;
    n integer;
    suspect int4multirange := '{}';
    parts int4multirange[];
    tries integer;
    budget integer;
    lost boolean;
    again boolean;
    facts jsonb := evtrack.crash_facts(dossier);
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = the_job;
    SELECT * INTO b FROM evtrack.batch
    WHERE job_day = j.job_day AND job_id = the_job AND batch_no = the_batch;
    -- Even a budget of 0 allows the crash that has just happened.
    budget := greatest(evtrack.policy_number(j.policy, 'max_crashes'), 1);
    tries := b.crashes + 1;
    lost := facts ->> 'cause' = 'worker_lost';
    done := CASE WHEN lost THEN '{}' ELSE done * b.ordinals END;
    open_items := b.ordinals - done;
    n := evtrack.item_count(open_items);
    IF n = 1 THEN
        suspect := open_items;
    ELSIF facts -> 'ordinal' IS NOT NULL THEN
        suspect := open_items * int4multirange(
            int4range((facts ->> 'ordinal')::integer,
                (facts ->> 'ordinal')::integer, '[]'));
    END IF;
    IF NOT lost AND NOT isempty(suspect) THEN
        -- The only item left was the item in hand, even if not reported so.
        facts := jsonb_strip_nulls(jsonb_build_object(
            'ordinal', lower(suspect), 'item_key', (
                SELECT p.item_key FROM evtrack.payload p
                WHERE p.job_day = j.job_day AND p.job_id = the_job
                    AND p.ordinal = lower(suspect)),
            'poison', nullif(tries >= budget, false))) || facts;
    END IF;

    IF lost OR n = b.item_count AND n = 1
        OR j.phase = 'cancelled' AND isempty(done) THEN
        again := j.phase <> 'cancelled' AND CASE
            WHEN lost THEN b.losses + 1
                < evtrack.policy_number(j.policy, 'max_losses')
            ELSE tries < budget END;
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT j.job_day, the_job, the_batch, b.version + 1,
            'crashed'::evtrack.event_type, b.attempt, the_worker,
            -- A cancelled job does not isolate one item of several.
            CASE WHEN n > 1 THEN facts - 'poison' ELSE facts END
        UNION ALL
        SELECT j.job_day, the_job, the_batch, b.version + 2, 'requeued',
            b.attempt, the_worker, jsonb_build_object('reason',
                CASE WHEN lost THEN 'lost' ELSE 'retry' END)
        WHERE again;
        RETURN CASE WHEN again THEN 'retry' ELSE 'crashed' END;
    END IF;

    parts := CASE
        WHEN n = 0 THEN '{}'
        WHEN n = 1 THEN ARRAY[suspect]
        WHEN isempty(suspect) THEN evtrack.halves(open_items)
        ELSE ARRAY[suspect, open_items - suspect] END;
    WITH part AS (
        SELECT p.items, j.batch_count + p.i::integer AS batch_no,
            evtrack.item_count(p.items) AS n,
            CASE WHEN p.items = suspect THEN tries ELSE 0 END AS tries
        FROM unnest(parts) WITH ORDINALITY AS p (items, i)
    )
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
        attempt, worker_id, data)
    SELECT j.job_day, the_job, the_batch, b.version + 1,
        'crashed'::evtrack.event_type, b.attempt, the_worker, facts
    UNION ALL
    SELECT j.job_day, the_job, the_batch, b.version + 2,
        CASE WHEN isempty(done) THEN 'split' ELSE 'completed'
            END::evtrack.event_type,
        b.attempt, the_worker, CASE
            WHEN isempty(done) THEN jsonb_build_object('to',
                (SELECT jsonb_agg(p.batch_no ORDER BY p.batch_no) FROM part p))
            ELSE jsonb_strip_nulls(jsonb_build_object(
                'moved', open_items::text, 'moved_items', n,
                'run_s', facts -> 'run_s', 'moved_to',
                (SELECT jsonb_agg(p.batch_no ORDER BY p.batch_no)
                FROM part p))) END
    UNION ALL
    SELECT j.job_day, the_job, p.batch_no, 1, 'enqueued', b.attempt, NULL,
        jsonb_build_object('items', p.n, 'weight', p.n,
            'ordinals', p.items::text,
            'root', coalesce(b.root_no, the_batch), 'parent', the_batch,
            'errors', b.errors, 'crashes',
            CASE WHEN p.tries >= budget THEN p.tries - 1 ELSE p.tries END,
            'losses', 0)
    FROM part p
    UNION ALL
    -- The budget is spent already: the item is poison at once.
    SELECT j.job_day, the_job, p.batch_no, 2, 'crashed', b.attempt, the_worker,
        facts
    FROM part p WHERE p.tries >= budget
    UNION ALL
    SELECT j.job_day, the_job, p.batch_no, 2, 'cancelled', b.attempt, NULL,
        '{"reason": "job cancelled"}'
    FROM part p WHERE p.tries < budget AND j.phase = 'cancelled';
    IF lines IS NOT NULL AND NOT isempty(done) THEN
        INSERT INTO evtrack.result (job_day, job_id, batch_no, ordinals, lines)
        VALUES (j.job_day, the_job, the_batch, done, lines);
    END IF;
    RETURN 'split';
END $$;
