-- Divide a batch that was requeued because its worker was lost, now that it is
-- known what the worker had in hand: as lose_one() would have done. Finished
-- items become a batch that was completed in that attempt. Does nothing if the
-- batch has been claimed again, or if there is nothing to divide. The caller has
-- locked the job.
CREATE OR REPLACE FUNCTION evtrack.divide_suspect(
    lost evtrack.worker, r evtrack.batch_at_death
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
    b evtrack.batch;
    finished int4multirange;
    open_items int4multirange;
    suspect int4multirange := '{}';
    halved boolean;
    n integer;
    kept integer;
BEGIN
    SELECT * INTO j FROM evtrack.job o WHERE o.job_id = r.job_id;
    SELECT * INTO b FROM evtrack.batch o
    WHERE o.job_day = j.job_day AND o.job_id = r.job_id
        AND o.batch_no = r.batch_no AND o.status = 'pending'
        AND o.attempt = r.attempt AND o.worker_id = lost.worker_id
        AND o.isolation >= 'marked'
    FOR UPDATE;
    IF NOT FOUND OR NOT r.begun THEN RETURN; END IF;
    finished := r.done * b.ordinals;
    open_items := b.ordinals - finished;
    n := evtrack.item_count(open_items);
    kept := (NOT isempty(finished))::integer;
    halved := coalesce(r.in_hand = 0, false) AND n > 1;
    suspect := CASE
        WHEN r.in_hand = 0 AND n = 1 THEN open_items
        WHEN r.in_hand > 0 THEN open_items * int4multirange(
            int4range(r.in_hand, r.in_hand, '[]'))
        ELSE '{}' END;
    IF kept = 0 AND (NOT halved AND isempty(suspect)
        OR n = 1 AND b.isolation = 'exclusive') THEN
        RETURN;
    END IF;
    WITH part AS (
        SELECT p.items, j.batch_count + p.place::integer AS batch_no,
            evtrack.item_count(p.items) AS n, p.items = finished AS done,
            CASE WHEN p.items = suspect OR halved AND b.losses > 1
                THEN 'exclusive' ELSE b.isolation END AS isolation
        FROM unnest(CASE WHEN kept = 1 THEN ARRAY[finished]
            ELSE '{}'::int4multirange[] END || CASE
            WHEN n = 0 THEN '{}'::int4multirange[]
            WHEN halved THEN evtrack.halves(open_items)
            WHEN isempty(suspect) OR n = 1 THEN ARRAY[open_items]
            ELSE ARRAY[suspect, open_items - suspect] END)
            WITH ORDINALITY AS p (items, place)
    )
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
        attempt, worker_id, data)
    SELECT j.job_day, j.job_id, b.batch_no, b.version + 1,
        'split'::evtrack.event_type, b.attempt, lost.worker_id,
        jsonb_build_object('to',
            (SELECT jsonb_agg(p.batch_no ORDER BY p.batch_no) FROM part p))
    UNION ALL
    SELECT j.job_day, j.job_id, p.batch_no, 1, 'enqueued',
        -- The attempt that finished them follows.
        b.attempt - p.done::integer, NULL,
        jsonb_strip_nulls(jsonb_build_object('items', p.n, 'weight', p.n,
            'ordinals', p.items::text,
            'root', coalesce(b.root_no, b.batch_no), 'parent', b.batch_no,
            'errors', b.errors, 'crashes', b.crashes, 'losses', b.losses,
            'exclusive_losses', nullif(b.exclusive_losses, 0),
            'isolation', p.isolation))
    FROM part p
    UNION ALL
    SELECT j.job_day, j.job_id, p.batch_no, s.version, s.type, b.attempt,
        lost.worker_id, '{}'
    FROM part p
    CROSS JOIN (VALUES (2, 'started'::evtrack.event_type), (3, 'completed'))
        AS s (version, type)
    WHERE p.done;
    INSERT INTO evtrack.result (job_day, job_id, batch_no, ordinals, lines)
    SELECT j.job_day, j.job_id, j.batch_count + 1, finished, string_agg(
        coalesce(l.line, ''), E'\n' ORDER BY l.ordinal)
    FROM evtrack.result_lines(r.done, r.results) l
    WHERE kept = 1 AND finished @> l.ordinal
    HAVING count(nullif(l.line, '')) > 0;
END $$;
