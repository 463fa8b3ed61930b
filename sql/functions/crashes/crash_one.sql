-- Append the events that follow from the crash of one held batch, whose job is
-- locked:
-- * A single item is requeued while its crash budget lasts, to run in a new
--   slot (alone in its worker if it was killed for memory); then it is poison
--   and stays crashed. A crash beside or after other items (`isolated` false)
--   never makes it poison: it has one more run.
-- * Of several items, the item in hand becomes a batch of its own and the
--   untouched rest another; if the item in hand is unknown, there are two
--   halves.
-- * Finished items stay in the old batch, which is completed; if none is
--   finished, it is split.
-- * A crash with blame none is counted for no item and halves no batch.
-- * A suspect remains one, and its item in hand runs exclusively: of suspects
--   only those get a new slot. If the whole worker was lost, see lose_one().
-- * In a cancelled job nothing is requeued.
-- `alone` is whether it is the only batch that the worker reports.
CREATE OR REPLACE FUNCTION evtrack.crash_one(
    the_worker bigint, the_job bigint, the_batch integer, dossier jsonb,
    done int4multirange, lines text, alone boolean
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
    b evtrack.batch;
    w evtrack.worker;
    facts jsonb := evtrack.crash_facts(dossier);
    cause text := facts ->> 'cause';
    blameless boolean := facts -> 'blame' IS NOT NULL;
    open_items int4multirange;
    n integer;
    suspect int4multirange := '{}';
    tries integer;
    spent boolean;
    level evtrack.isolation;
    rest_level evtrack.isolation;
    again boolean;
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = the_job;
    SELECT * INTO b FROM evtrack.batch
    WHERE job_day = j.job_day AND job_id = the_job AND batch_no = the_batch;
    done := done * b.ordinals;
    IF cause = 'worker_lost' THEN
        w := evtrack.find_worker(the_worker);
        RETURN replace(evtrack.lose_one(w, j, b,
            facts - '{blame,isolated,ordinal,item_key}'::text[],
            facts -> 'ordinal' IS NOT NULL OR NOT isempty(done)
                OR NOT w.marks AND b.isolation >= 'marked',
            CASE WHEN facts -> 'ordinal' IS NOT NULL
                THEN (facts ->> 'ordinal')::integer
                WHEN isempty(done) THEN 0 END,
            done, lines, alone AND NOT EXISTS (
                SELECT FROM evtrack.running_batches(the_worker) r
                WHERE (r.job_id, r.batch_no) <> (the_job, the_batch))),
            'completed', 'split');
    END IF;
    tries := b.crashes + (NOT blameless)::integer;
    -- Even a budget of 0 allows the crash that has just happened.
    spent := NOT blameless AND facts -> 'isolated' IS DISTINCT FROM 'false'
        AND tries >= greatest(evtrack.policy_number(j.policy, 'max_crashes'), 1);
    level := evtrack.raise_isolation(b.isolation, CASE
        WHEN cause = 'out_of_memory' OR cause = 'memory_limit' AND NOT blameless
            THEN 'memory'::evtrack.isolation ELSE 'fresh_slot' END);
    rest_level := CASE WHEN blameless OR b.isolation >= 'marked'
        THEN b.isolation ELSE 'none' END;
    open_items := b.ordinals - done;
    n := evtrack.item_count(open_items);
    IF n = 1 THEN
        suspect := open_items;
    ELSIF facts -> 'ordinal' IS NOT NULL THEN
        suspect := open_items * int4multirange(
            int4range((facts ->> 'ordinal')::integer,
                (facts ->> 'ordinal')::integer, '[]'));
    END IF;
    IF b.isolation = 'marked' AND NOT isempty(suspect) THEN
        -- It needs a new slot, and of the suspects only exclusive ones get one.
        level := 'exclusive';
    END IF;
    IF NOT isempty(suspect) THEN
        -- The only item left was the item in hand, even if not reported so.
        facts := evtrack.item_facts(j, lower(suspect))
            || jsonb_strip_nulls(jsonb_build_object(
                'poison', nullif(spent, false))) || facts;
    END IF;

    IF n = b.item_count AND (n = 1 OR blameless AND isempty(suspect))
        OR j.phase = 'cancelled' AND isempty(done) THEN
        again := j.phase <> 'cancelled' AND NOT spent;
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT j.job_day, the_job, the_batch, b.version + 1,
            'crashed'::evtrack.event_type, b.attempt, the_worker,
            -- A cancelled job does not isolate one item of several.
            CASE WHEN n > 1 THEN facts - 'poison' ELSE facts END
        UNION ALL
        SELECT j.job_day, the_job, the_batch, b.version + 2, 'requeued',
            b.attempt, the_worker,
            jsonb_build_object('reason', 'retry', 'isolation', level)
        WHERE again
        UNION ALL
        SELECT j.job_day, the_job, the_batch, b.version + 2, 'cancelled',
            b.attempt, NULL, '{"reason": "job cancelled"}'
        WHERE NOT again AND blameless;
        RETURN CASE WHEN again THEN 'retry' ELSE 'crashed' END;
    END IF;

    RETURN evtrack.split_crashed(j, b, facts, done, lines, (
        SELECT coalesce(jsonb_agg(jsonb_build_object('items', p.items::text,
            'crashes', CASE
                WHEN p.items = suspect THEN tries - spent::integer
                WHEN blameless THEN b.crashes ELSE 0 END,
            'losses', b.losses,
            'isolation', CASE WHEN p.items = suspect THEN level
                ELSE rest_level END,
            'poison', p.items = suspect AND spent) ORDER BY p.place), '[]')
        FROM unnest(CASE
            WHEN n = 0 THEN '{}'
            WHEN n = 1 OR blameless AND isempty(suspect)
                THEN ARRAY[open_items]
            WHEN isempty(suspect) THEN evtrack.halves(open_items)
            ELSE ARRAY[suspect, open_items - suspect] END)
            WITH ORDINALITY AS p (items, place)));
END $$;
