-- Record that a worker is lost, with an alert, and what becomes of its batches,
-- whose jobs the caller has locked with lock_suspects(). The marks of suspects
-- show which item of a batch was in hand, and so does a report of the worker's
-- death; of a suspect in a worker that does not mark, the whole batch was. See
-- lose_one(). A batch of which nothing is known had not begun: it is requeued as
-- a suspect. Returns how many batches there were. Called only by evtrack.reap()
-- and evtrack.report_death().
CREATE OR REPLACE FUNCTION evtrack.lose(
    lost evtrack.worker, why text, facts jsonb DEFAULT '{}',
    reported evtrack.batch_at_death[] DEFAULT '{}'
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    held evtrack.batch[];
    touched text[] := '{}';
    b evtrack.batch;
    j evtrack.job;
    k record;
    n integer;
BEGIN
    UPDATE evtrack.worker w SET lost_at = clock_timestamp(), busy = 0
    WHERE w.worker_id = lost.worker_id;
    facts := facts || jsonb_build_object('cause', 'worker_lost', 'why', why,
        'host', lost.host, 'pid', lost.pid, 'seen_at', lost.seen_at);
    SELECT array_agg(r) INTO held
    FROM (
        SELECT h.job_day, h.job_id, h.batch_no
        FROM evtrack.running_batches(lost.worker_id) h
        ORDER BY h.job_id, h.batch_no
    ) h
    CROSS JOIN LATERAL (
        SELECT * FROM evtrack.batch o
        WHERE o.job_day = h.job_day AND o.job_id = h.job_id
            AND o.batch_no = h.batch_no AND o.status = 'running'
            AND o.worker_id = lost.worker_id
        FOR UPDATE
    ) r;
    n := coalesce(cardinality(held), 0);
    FOREACH b IN ARRAY coalesce(held, '{}') LOOP
        -- Of the others nothing is known, and their jobs are not locked.
        CONTINUE WHEN b.isolation < 'marked'
            AND b.job_id <> ALL(ARRAY(SELECT r.job_id FROM unnest(reported) r));
        SELECT * INTO k FROM evtrack.known_items(lost, b, reported, n);
        IF k.begun THEN
            SELECT * INTO j FROM evtrack.job o WHERE o.job_id = b.job_id;
            PERFORM evtrack.lose_one(lost, j, b, facts, true, k.in_hand, k.done,
                k.lines, k.alone);
            touched := array_append(touched, ROW(b.job_id, b.batch_no)::text);
        END IF;
    END LOOP;
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
        attempt, worker_id, data)
    SELECT r.job_day, r.job_id, r.batch_no, r.version + e.step, e.type,
        r.attempt, e.worker_id, e.data
    FROM unnest(held) r
    JOIN evtrack.job o ON o.job_id = r.job_id
    CROSS JOIN LATERAL (VALUES
        (lost.stopping_at IS NULL, 1, 'crashed'::evtrack.event_type,
            lost.worker_id, facts),
        (lost.stopping_at IS NULL AND o.phase <> 'cancelled', 2, 'requeued',
            lost.worker_id, jsonb_build_object('reason', 'lost', 'isolation',
                evtrack.raise_isolation(r.isolation, 'marked'))),
        -- It was killed before it had returned them: nobody is suspected.
        (lost.stopping_at IS NOT NULL, 1, 'requeued', lost.worker_id,
            '{"reason": "stopping"}'),
        (o.phase = 'cancelled', 2, 'cancelled', NULL,
            '{"reason": "job cancelled"}')
    ) AS e (due, step, type, worker_id, data)
    WHERE e.due AND ROW(r.job_id, r.batch_no)::text <> ALL(touched);
    DELETE FROM evtrack.item_mark m USING unnest(held) r
    WHERE m.job_id = r.job_id AND m.batch_no = r.batch_no;
    PERFORM evtrack.raise_alert('worker_lost', lost.worker_id::text, '',
        'error', jsonb_build_object('worker_id', lost.worker_id,
            'worker', left(lost.name, 200), 'host', lost.host,
            'pid', lost.pid, 'handlers', lost.handlers, 'why', why,
            'batches', n, 'seen_at', lost.seen_at));
    RETURN n;
END $$;
