-- Append the events that divide a batch whose process died: `crashed` with these
-- facts (none if they are null); `completed` for the finished items, which stay,
-- or `split` if there are none; and a stream for each part. `parts` is an array
-- of {items, crashes, losses, exclusive_losses, isolation, poison}; a part that
-- is poison begins as crashed. In a cancelled job the others are cancelled. The
-- caller has locked the job and the batch.
CREATE OR REPLACE FUNCTION evtrack.split_crashed(
    j evtrack.job, b evtrack.batch, facts jsonb, done int4multirange,
    lines text, parts jsonb
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    steps integer := (facts IS NOT NULL)::integer;
BEGIN
    WITH part AS (
        SELECT p.*, j.batch_count + p.place::integer AS batch_no,
            evtrack.item_count(p.items) AS n
        FROM ROWS FROM (jsonb_to_recordset(parts) AS (
            items int4multirange, crashes integer, losses integer,
            exclusive_losses integer, isolation evtrack.isolation,
            poison boolean)) WITH ORDINALITY AS p (items, crashes, losses,
            exclusive_losses, isolation, poison, place)
    )
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
        attempt, worker_id, data)
    SELECT j.job_day, j.job_id, b.batch_no, b.version + 1,
        'crashed'::evtrack.event_type, b.attempt, b.worker_id, facts
    WHERE facts IS NOT NULL
    UNION ALL
    SELECT j.job_day, j.job_id, b.batch_no, b.version + 1 + steps,
        CASE WHEN isempty(done) THEN 'split' ELSE 'completed'
            END::evtrack.event_type,
        b.attempt, b.worker_id, CASE
            WHEN isempty(done) THEN jsonb_build_object('to',
                (SELECT jsonb_agg(p.batch_no ORDER BY p.batch_no) FROM part p))
            ELSE jsonb_strip_nulls(jsonb_build_object(
                'moved', (b.ordinals - done)::text,
                'moved_items', evtrack.item_count(b.ordinals - done),
                'run_s', facts -> 'run_s', 'moved_to',
                (SELECT jsonb_agg(p.batch_no ORDER BY p.batch_no)
                FROM part p))) END
    UNION ALL
    SELECT j.job_day, j.job_id, p.batch_no, 1, 'enqueued', b.attempt, NULL,
        jsonb_strip_nulls(jsonb_build_object('items', p.n, 'weight', p.n,
            'ordinals', p.items::text,
            'root', coalesce(b.root_no, b.batch_no), 'parent', b.batch_no,
            'errors', b.errors, 'crashes', p.crashes, 'losses', p.losses,
            'exclusive_losses', nullif(p.exclusive_losses, 0),
            'isolation', nullif(p.isolation, 'none')))
    FROM part p
    UNION ALL
    -- The budget is spent already: the item is poison at once.
    SELECT j.job_day, j.job_id, p.batch_no, 2, 'crashed', b.attempt,
        b.worker_id, facts
    FROM part p WHERE p.poison
    UNION ALL
    SELECT j.job_day, j.job_id, p.batch_no, 2, 'cancelled', b.attempt, NULL,
        '{"reason": "job cancelled"}'
    FROM part p WHERE p.poison IS NOT TRUE AND j.phase = 'cancelled';
    IF lines IS NOT NULL AND NOT isempty(done) THEN
        INSERT INTO evtrack.result (job_day, job_id, batch_no, ordinals, lines)
        VALUES (j.job_day, j.job_id, b.batch_no, done, lines);
    END IF;
    RETURN 'split';
END $$;
