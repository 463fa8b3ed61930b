-- Commit what becomes of the items of suspects, for all slots of a worker at
-- once: for each batch, the item that is done, with its result line, and the
-- item that begins now (0: the whole batch begins; null: no item begins). So
-- the worker's death leaves one item in hand for each slot, and nothing that is
-- finished runs again. One verdict per batch: held or lost; an item of a lost
-- batch must not begin. Call it before the item begins, not within a
-- transaction.
CREATE OR REPLACE FUNCTION evtrack.mark_items(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], done integer[], lines text[], in_hand integer[],
    exclusive boolean[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    places bigint[];
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    PERFORM evtrack.find_worker(the_worker);
    -- Locked, so that a batch is not declared lost between this and the commit.
    WITH given AS (
        SELECT g.*, j.job_day
        FROM unnest(job_ids, batch_nos, attempts)
            WITH ORDINALITY AS g (job_id, batch_no, attempt, place)
        JOIN evtrack.job j ON j.job_id = g.job_id
        ORDER BY g.job_id, g.batch_no
    )
    SELECT array_agg(l.place) INTO places
    FROM (
        SELECT g.place FROM given g
        CROSS JOIN LATERAL (
            SELECT 1 FROM evtrack.batch b
            WHERE b.job_day = g.job_day AND b.job_id = g.job_id
                AND b.batch_no = g.batch_no AND b.status = 'running'
                AND b.worker_id = the_worker AND b.attempt = g.attempt
            FOR UPDATE
        ) b
    ) l;
    DELETE FROM evtrack.item_mark m
    USING unnest(job_ids, batch_nos, attempts)
        WITH ORDINALITY AS g (job_id, batch_no, attempt, place)
    WHERE g.place = ANY(places) AND m.job_id = g.job_id
        AND m.batch_no = g.batch_no AND m.attempt <> g.attempt;
    INSERT INTO evtrack.item_mark AS m (
        job_id, batch_no, ordinal, attempt, exclusive, done, line)
    SELECT g.job_id, g.batch_no, i.ordinal, g.attempt,
        coalesce(g.exclusive, false), i.done, i.line
    FROM unnest(job_ids, batch_nos, attempts, mark_items.done, lines, in_hand,
        mark_items.exclusive) WITH ORDINALITY AS g (
        job_id, batch_no, attempt, done, line, in_hand, exclusive, place)
    CROSS JOIN LATERAL (VALUES
        (g.done, true, g.line), (g.in_hand, false, NULL)
    ) AS i (ordinal, done, line)
    WHERE g.place = ANY(places) AND i.ordinal IS NOT NULL
    ON CONFLICT ON CONSTRAINT item_mark_pkey DO UPDATE SET
        done = excluded.done, line = excluded.line,
        exclusive = excluded.exclusive;
    RETURN QUERY
    SELECT g.job_id, g.batch_no,
        CASE WHEN g.place = ANY(places) THEN 'held' ELSE 'lost' END
    FROM unnest(job_ids, batch_nos)
        WITH ORDINALITY AS g (job_id, batch_no, place)
    ORDER BY g.place;
END $$;
