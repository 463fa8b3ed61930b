-- Take the next step of every batch of this day that has one among the events,
-- whatever evtrack.batch_transitions() lists, and count it. Returns how many.
-- Called by evtrack.fold() only, and planned under its settings.
CREATE OR REPLACE FUNCTION evtrack.fold_steps(
    events evtrack.event[], day date
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    stepped bigint;
BEGIN
    WITH due AS (
        SELECT a.*, b.status AS before, coalesce(t.after, b.status) AS after,
            t.after IS NULL AS stays, t.lease,
            CASE WHEN t.moved
                THEN coalesce((a.data ->> 'moved_items')::integer, 0)
                ELSE 0 END AS moved_items,
            CASE WHEN t.moved THEN (a.data ->> 'moved')::int4multirange
                ELSE '{}' END AS moved,
            a.type = 'requeued' AND a.data -> 'reset' = 'true' AS reset,
            a.data ->> 'cause' IS NOT DISTINCT FROM 'worker_lost' AS lost,
            -- What counts against nobody; and what the only suspect did.
            a.data -> 'blame' IS NOT DISTINCT FROM '"none"' AS blameless,
            a.data -> 'exclusive' IS NOT DISTINCT FROM 'true' AS exclusive
        FROM unnest(events) a
        JOIN evtrack.batch b ON b.job_day = day
            AND b.job_id = a.job_id AND b.batch_no = a.batch_no
            AND b.version = a.version - 1
        JOIN unnest(evtrack.batch_transitions()) t ON t.type = a.type
            AND b.status = ANY(t.before)
            AND (t.moved IS NULL
                OR t.moved = (a.data ->> 'moved' IS NOT NULL))
            AND (b.root_no IS NOT NULL OR NOT t.derived)
            AND CASE t.lease
                WHEN 'take' THEN a.attempt = b.attempt + 1
                    AND a.worker_id IS NOT NULL
                WHEN 'hold' THEN a.attempt = b.attempt
                    AND a.worker_id = b.worker_id
                WHEN 'attempt' THEN a.attempt = b.attempt
                WHEN 'past' THEN a.attempt <= b.attempt
                ELSE true END
        WHERE a.job_day = day AND a.batch_no > 0
    ), step AS (
        UPDATE evtrack.batch b SET
            status = d.after,
            version = d.version,
            attempt = CASE d.lease WHEN 'take' THEN d.attempt
                ELSE b.attempt END,
            worker_id = CASE d.lease WHEN 'take' THEN d.worker_id
                ELSE b.worker_id END,
            started_at = CASE d.lease WHEN 'take' THEN d.at
                ELSE b.started_at END,
            finished_at = CASE
                WHEN d.stays THEN b.finished_at
                WHEN d.after NOT IN ('pending', 'running') THEN d.at END,
            fresh = b.fresh AND d.stays,
            run_at = CASE
                WHEN d.stays THEN b.run_at
                WHEN d.after = 'pending' THEN coalesce(
                    (d.data ->> 'run_at')::timestamptz, d.at) END,
            run_s = CASE
                WHEN d.type NOT IN ('completed', 'failed', 'crashed')
                    THEN b.run_s
                ELSE coalesce((d.data ->> 'run_s')::float8, CASE
                    WHEN d.type <> 'completed' OR d.data ->> 'moved' IS NOT NULL
                        THEN b.run_s
                    END) END,
            item_count = b.item_count - d.moved_items,
            ordinals = b.ordinals - d.moved,
            errors = CASE WHEN d.reset THEN 0
                ELSE b.errors + (d.type = 'failed')::integer END,
            crashes = CASE WHEN d.reset THEN 0
                ELSE b.crashes
                    + (d.type = 'crashed' AND NOT d.lost
                        AND NOT d.blameless)::integer END,
            losses = CASE WHEN d.reset THEN 0
                ELSE b.losses + (d.type = 'crashed' AND d.lost)::integer END,
            exclusive_losses = CASE WHEN d.reset THEN 0
                ELSE b.exclusive_losses + (d.type = 'crashed' AND d.lost
                    AND d.exclusive)::integer END,
            isolation = CASE WHEN d.reset THEN 'none'
                WHEN d.type = 'requeued' THEN coalesce(
                    (d.data ->> 'isolation')::evtrack.isolation, b.isolation)
                ELSE b.isolation END,
            error = CASE d.type
                WHEN 'completed' THEN NULL
                WHEN 'failed' THEN left(
                    coalesce(d.data #>> '{error,message}', b.error), 300)
                WHEN 'crashed' THEN evtrack.crash_line(d.data)
                ELSE b.error END,
            links = evtrack.next_links(b.links, b.version,
                d.job_id, d.batch_no, d.version, d.type,
                d.attempt, d.worker_id, d.at, d.seq, d.xid,
                d.data)
        FROM due d
        WHERE b.job_day = day
            AND b.job_id = d.job_id AND b.batch_no = d.batch_no
            AND b.version = d.version - 1
        RETURNING b.job_id, d.before, d.after, d.moved_items,
            b.item_count AS items
    )
    SELECT coalesce(sum(evtrack.count_change(s.job_id, s.before::text,
        s.after::text, s.n, s.items + s.moved_items, s.items)), 0)
    INTO stepped
    FROM (
        SELECT job_id, before, after, count(*) AS n, sum(items) AS items,
            sum(moved_items) AS moved_items
        FROM step GROUP BY job_id, before, after
    ) s;
    RETURN stepped;
END $$;
