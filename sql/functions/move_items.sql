-- Take items out of their batches, by their keys, into new ones that are
-- pending (retry) or cancelled at once (quarantined), and say of each what
-- became of it. The caller has locked the job, so that no item moves meanwhile.
CREATE OR REPLACE FUNCTION evtrack.move_items(
    j evtrack.job, item_keys text[], statuses text[], batch_nos integer[],
    fate text
) RETURNS TABLE (item_key text, ordinal integer, batch_no integer, verdict text)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    number integer;
    here integer[] := '{}';
BEGIN
    PERFORM 1 FROM (
        SELECT DISTINCT i.batch_no FROM evtrack.item_status i
        WHERE i.job_id = j.job_id AND i.item_key = ANY(item_keys)
        ORDER BY i.batch_no
    ) h
    CROSS JOIN LATERAL (
        SELECT 1 FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.batch_no = h.batch_no
        FOR UPDATE
    ) locked;
    FOR r IN
        SELECT b.*, h.moved, evtrack.item_count(h.moved) AS n
        FROM (
            SELECT i.batch_no, range_agg(
                int4range(i.ordinal, i.ordinal, '[]')) AS moved
            FROM evtrack.item_status i
            WHERE i.job_id = j.job_id AND i.item_key = ANY(item_keys)
                AND i.status::text = ANY(statuses)
                AND (batch_nos IS NULL OR i.batch_no = ANY(batch_nos))
            GROUP BY i.batch_no
        ) h
        JOIN evtrack.batch b ON b.job_day = j.job_day
            AND b.job_id = j.job_id AND b.batch_no = h.batch_no
        ORDER BY b.batch_no
    LOOP
        -- Its own stream and batch_count move on with each event.
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
        here := here || number;
    END LOOP;
    RETURN QUERY
    SELECT k.item_key, i.ordinal, i.batch_no, CASE
        WHEN i.ordinal IS NULL THEN 'unknown'
        WHEN i.batch_no = ANY(here) THEN fate
        ELSE i.status::text END
    FROM unnest(item_keys) WITH ORDINALITY AS k (item_key, place)
    LEFT JOIN evtrack.item_status i
        ON i.job_id = j.job_id AND i.item_key = k.item_key
    ORDER BY k.place, i.ordinal;
END $$;
