-- Complete the running batches of this day whose failed items move to another
-- batch. fold_steps() would take the same steps at twice the cost. Returns how
-- many. Called by evtrack.fold() only, and planned under its settings.
CREATE OR REPLACE FUNCTION evtrack.fold_moved(
    events evtrack.event[], day date
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    stepped bigint;
BEGIN
    WITH step AS (
        UPDATE evtrack.batch b SET
            status = evtrack.status_after('completed', 'running'),
            version = a.version, finished_at = a.at,
            run_s = coalesce((a.data ->> 'run_s')::float8, b.run_s),
            item_count = b.item_count
                - coalesce((a.data ->> 'moved_items')::integer, 0),
            ordinals = b.ordinals - (a.data ->> 'moved')::int4multirange,
            error = NULL,
            links = evtrack.next_links(b.links, b.version,
                a.job_id, a.batch_no, a.version, a.type,
                a.attempt, a.worker_id, a.at, a.seq, a.xid,
                a.data)
        FROM unnest(events) a
        WHERE a.type = 'completed' AND a.data ->> 'moved' IS NOT NULL
            AND a.job_day = day AND b.job_day = day
            AND b.job_id = a.job_id AND b.batch_no = a.batch_no
            AND b.version = a.version - 1 AND b.status = 'running'
            AND b.attempt = a.attempt AND b.worker_id = a.worker_id
        RETURNING b.job_id, b.item_count,
            coalesce((a.data ->> 'moved_items')::integer, 0) AS moved
    )
    SELECT coalesce(sum(evtrack.count_change(s.job_id, 'running', 'completed',
        s.n, s.items + s.moved, s.items)), 0)
    INTO stepped
    FROM (
        SELECT job_id, count(*) AS n, sum(item_count) AS items,
            sum(moved) AS moved
        FROM step GROUP BY job_id
    ) s;
    RETURN stepped;
END $$;
