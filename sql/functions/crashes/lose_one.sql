-- Append the events that follow from the loss of the worker of one batch, whose
-- row is locked, and its job's too if it can be divided. `in_hand` is the item
-- that was running (0: the whole batch; null: none), `done` the finished ones.
-- * What is done stays done. If everything is, the batch is completed.
-- * If the worker was asked to stop, the rest is requeued: that is no crash.
-- * If nothing had begun, the batch is requeued as a suspect, however often.
-- * The item in hand becomes a batch of its own, which will run exclusively, and
--   the rest a suspect. Of a batch that was in hand as a whole there are two
--   halves; they run exclusively from the second loss on.
-- * An item that was in hand exclusively at as many losses as its lost-worker
--   budget allows is poison.
-- * In a cancelled job nothing is requeued: all but a poison item is cancelled.
-- `alone` is whether the worker ran nothing else.
CREATE OR REPLACE FUNCTION evtrack.lose_one(
    lost evtrack.worker, j evtrack.job, b evtrack.batch, facts jsonb,
    begun boolean, in_hand integer, done int4multirange, lines text,
    alone boolean
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    open_items int4multirange := b.ordinals - done;
    n integer := evtrack.item_count(open_items);
    stops boolean := lost.stopping_at IS NOT NULL;
    suspect int4multirange := '{}';
    halved boolean := false;
    exclusive boolean;
    spent boolean;
    level evtrack.isolation := b.isolation;
    reason text;
BEGIN
    IF n = 0 THEN
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id)
        VALUES (j.job_day, j.job_id, b.batch_no, b.version + 1, 'completed',
            b.attempt, lost.worker_id);
        INSERT INTO evtrack.result (job_day, job_id, batch_no, ordinals, lines)
        SELECT j.job_day, j.job_id, b.batch_no, done, lose_one.lines
        WHERE lose_one.lines IS NOT NULL;
        RETURN 'completed';
    END IF;
    IF begun AND NOT stops THEN
        halved := in_hand = 0 AND n > 1;
        suspect := CASE
            WHEN in_hand = 0 AND n = 1 THEN open_items
            WHEN in_hand > 0 THEN open_items * int4multirange(
                int4range(in_hand, in_hand, '[]'))
            ELSE '{}' END;
    END IF;
    exclusive := alone AND b.isolation = 'exclusive'
        AND (halved OR NOT isempty(suspect));
    spent := exclusive AND NOT halved AND b.exclusive_losses + 1
        >= greatest(evtrack.policy_number(j.policy, 'max_losses'), 1);
    IF NOT isempty(suspect) THEN
        facts := facts || evtrack.item_facts(j, lower(suspect));
    END IF;
    facts := facts || jsonb_strip_nulls(jsonb_build_object(
        'exclusive', nullif(exclusive, false), 'poison', nullif(spent, false)));
    IF NOT stops THEN
        level := evtrack.raise_isolation(b.isolation, 'marked');
    END IF;

    IF isempty(done) AND (j.phase = 'cancelled'
        OR b.item_count = 1 OR NOT halved AND isempty(suspect)) THEN
        reason := CASE WHEN stops THEN 'stopping' ELSE 'lost' END;
        IF NOT isempty(suspect) THEN
            level := 'exclusive';
        END IF;
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT j.job_day, j.job_id, b.batch_no, b.version + 1,
            'crashed'::evtrack.event_type, b.attempt, lost.worker_id,
            -- A cancelled job does not isolate one item of several.
            CASE WHEN n > 1 THEN facts - 'poison' ELSE facts END
        WHERE NOT stops
        UNION ALL
        SELECT j.job_day, j.job_id, b.batch_no,
            b.version + 2 - stops::integer, 'requeued', b.attempt,
            lost.worker_id, jsonb_build_object('reason', reason)
                || CASE WHEN stops THEN '{}'
                    ELSE jsonb_build_object('isolation', level) END
        WHERE stops OR NOT spent AND j.phase <> 'cancelled'
        UNION ALL
        -- One loss is no evidence, so nobody crashed.
        SELECT j.job_day, j.job_id, b.batch_no, b.version + 2, 'cancelled',
            b.attempt, NULL, '{"reason": "job cancelled"}'
        WHERE j.phase = 'cancelled' AND (n > 1 OR NOT spent);
        RETURN CASE WHEN spent OR j.phase = 'cancelled' AND NOT stops
            THEN 'crashed' ELSE 'retry' END;
    END IF;

    RETURN evtrack.split_crashed(j, b, CASE WHEN NOT stops THEN facts END,
        done, lines, (
            SELECT jsonb_agg(jsonb_build_object('items', p.items::text,
                'crashes', b.crashes,
                -- The stream of a poison item has the crash itself.
                'losses', b.losses + (NOT stops)::integer
                    - (p.items = suspect AND spent)::integer,
                'exclusive_losses', CASE WHEN p.items = suspect
                    THEN b.exclusive_losses + exclusive::integer
                        - spent::integer END,
                'isolation', CASE WHEN p.items = suspect
                    OR halved AND b.losses > 0 THEN 'exclusive' ELSE level END,
                'poison', p.items = suspect AND spent) ORDER BY p.place)
            FROM unnest(CASE
                WHEN halved THEN evtrack.halves(open_items)
                WHEN isempty(suspect) OR n = 1 THEN ARRAY[open_items]
                ELSE ARRAY[suspect, open_items - suspect] END)
                WITH ORDINALITY AS p (items, place)));
END $$;
