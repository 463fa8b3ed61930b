-- Mark these alerts as delivered by the caller. Returns how many were not
-- marked before.
CREATE OR REPLACE FUNCTION evtrack.mark_alerts(alert_ids bigint[], who text)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH marked AS (
        UPDATE evtrack.alert a
        SET delivered_at = clock_timestamp(), delivered_by = left(who, 200)
        WHERE a.alert_id = ANY(alert_ids) AND a.delivered_at IS NULL
        RETURNING 1
    )
    SELECT count(*) FROM marked
$$;
