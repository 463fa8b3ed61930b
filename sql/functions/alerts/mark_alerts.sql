-- Mark these alerts as delivered by the caller, and queue them for each sink.
-- Returns how many were not marked before.
CREATE OR REPLACE FUNCTION evtrack.mark_alerts(alert_ids bigint[], who text)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH marked AS (
        UPDATE evtrack.alert a
        SET delivered_at = clock_timestamp(), delivered_by = left(who, 200)
        WHERE a.alert_id = ANY(alert_ids) AND a.delivered_at IS NULL
        RETURNING a.alert_id
    ), queued AS (
        -- A storm whose total has grown is delivered again, but never while an
        -- attempt is under way.
        INSERT INTO evtrack.delivery AS d (alert_id, sink, give_up_at)
        SELECT m.alert_id, s.sink, clock_timestamp() + s.keep_trying
        FROM marked m CROSS JOIN evtrack.sink s
        ON CONFLICT (alert_id, sink) DO UPDATE
        SET attempts = d.attempts + 1, give_up_at = excluded.give_up_at,
            delivered_at = NULL, gave_up_at = NULL
    )
    SELECT count(*) FROM marked
$$;
