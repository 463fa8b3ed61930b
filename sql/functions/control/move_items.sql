-- Move items out of their batches, by their keys, into new batches that are
-- pending (retry) or cancelled at once (quarantined), and return what became of
-- each. The caller has locked the job, so that no item moves meanwhile.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.move_items(
    j evtrack.job, item_keys text[], statuses text[], batch_nos integer[],
    fate text
) RETURNS TABLE (item_key text, ordinal integer, batch_no integer, verdict text)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    keys text[];
    ordinals integer[];
    holders integer[];
    number integer;
    came_from integer[] := '{}';
    went_to integer[] := '{}';
BEGIN
    -- The batch that holds an item is found as item_status finds it.
    SELECT array_agg(wanted.k), array_agg(i.ordinal), array_agg(coalesce((
        SELECT max(d.batch_no) FROM evtrack.batch d
        WHERE d.job_day = j.job_day AND d.job_id = j.job_id
            AND d.root_no = i.batch_no AND d.ordinals @> i.ordinal), i.batch_no))
    INTO keys, ordinals, holders
    FROM (SELECT DISTINCT k FROM unnest(item_keys) k) wanted
    CROSS JOIN LATERAL (
        SELECT p.job_id, p.ordinal, p.batch_no FROM evtrack.payload p
        WHERE p.job_day = j.job_day AND p.item_key = wanted.k
        OFFSET 0
    ) i
    WHERE i.job_id = j.job_id;
    FOR r IN
        SELECT b.*, h.moved, evtrack.item_count(h.moved) AS n
        FROM (
            SELECT u.holder, range_agg(
                int4range(u.ordinal, u.ordinal, '[]')) AS moved
            FROM unnest(ordinals, holders) AS u (ordinal, holder)
            WHERE batch_nos IS NULL OR u.holder = ANY(batch_nos)
            GROUP BY u.holder ORDER BY u.holder
        ) h
        -- Lock only what moves: reports and reaping lock running batches in
        -- another order, which could deadlock.
        CROSS JOIN LATERAL (
            SELECT * FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = j.job_id
                AND b.batch_no = h.holder AND b.status::text = ANY(statuses)
            FOR UPDATE
        ) b
    LOOP
        -- Each event changes the job's version and batch_count.
        SELECT * INTO j FROM evtrack.job o WHERE o.job_id = j.job_id;
        IF fate = 'retry' AND j.phase = 'finished' THEN
            PERFORM evtrack.append_job_event(j, 'reopened');
        END IF;
        number := CASE WHEN r.n = r.item_count THEN r.batch_no
            ELSE j.batch_count + 1 END;
        IF number <> r.batch_no THEN
            INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
                attempt, data)
            VALUES (j.job_day, j.job_id, r.batch_no, r.version + 1, 'split',
                r.attempt, jsonb_build_object('to', jsonb_build_array(number),
                    'moved', r.moved::text, 'moved_items', r.n)),
            (j.job_day, j.job_id, number, 1, 'enqueued', r.attempt,
                jsonb_build_object('items', r.n, 'weight', r.n,
                    'ordinals', r.moved::text,
                    'root', coalesce(r.root_no, r.batch_no),
                    'parent', r.batch_no));
        END IF;
        IF number = r.batch_no OR fate = 'quarantined' THEN
            INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
                attempt, data)
            VALUES (j.job_day, j.job_id, number,
                CASE WHEN number = r.batch_no THEN r.version + 1 ELSE 2 END,
                CASE fate WHEN 'retry' THEN 'requeued' ELSE 'cancelled'
                    END::evtrack.event_type, r.attempt,
                CASE fate WHEN 'retry' THEN '{"reason": "person", "reset": true}'
                    ELSE '{"reason": "quarantined"}' END::jsonb);
        END IF;
        came_from := came_from || r.batch_no;
        went_to := went_to || number;
    END LOOP;
    RETURN QUERY
    SELECT k.item_key, u.ordinal,
        coalesce(went_to[array_position(came_from, u.holder)], u.holder),
        CASE
            WHEN u.ordinal IS NULL THEN 'unknown'
            WHEN u.holder = ANY(came_from) THEN fate
            ELSE (
                SELECT b.status::text FROM evtrack.batch b
                WHERE b.job_day = j.job_day AND b.job_id = j.job_id
                    AND b.batch_no = u.holder) END
    FROM unnest(item_keys) WITH ORDINALITY AS k (item_key, place)
    LEFT JOIN unnest(keys, ordinals, holders) AS u (key, ordinal, holder)
        ON u.key = k.item_key
    ORDER BY k.place, u.ordinal;
END $$;
