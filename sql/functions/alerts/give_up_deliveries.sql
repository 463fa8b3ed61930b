-- Give up the deliveries whose time is over and whose sink no running watcher
-- has, and forget sinks that none has had for as long as they keep trying, and
-- deliveries of alerts that were deleted.
-- Returns how many deliveries were given up for each sink.
CREATE OR REPLACE FUNCTION evtrack.give_up_deliveries()
RETURNS TABLE (sink text, deliveries bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM evtrack.sink s
    WHERE s.seen_at < clock_timestamp()
        - greatest(s.keep_trying, interval '5 minutes');
    DELETE FROM evtrack.delivery d
    WHERE d.delivered_at IS NULL AND d.gave_up_at IS NULL AND NOT EXISTS (
        SELECT FROM evtrack.alert a WHERE a.alert_id = d.alert_id);
    WITH given_up AS (
        UPDATE evtrack.delivery d SET gave_up_at = clock_timestamp(),
            error = coalesce(d.error, 'no running watcher has this sink')
        WHERE d.delivered_at IS NULL AND d.gave_up_at IS NULL
            AND d.give_up_at < clock_timestamp()
            AND NOT EXISTS (
                SELECT FROM evtrack.sink s WHERE s.sink = d.sink
                    AND s.seen_at > clock_timestamp() - interval '5 minutes')
        RETURNING d.sink
    )
    SELECT g.sink, count(*) FROM given_up g GROUP BY g.sink ORDER BY g.sink
$$;
