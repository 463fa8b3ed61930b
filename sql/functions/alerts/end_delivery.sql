-- Record how an attempt to deliver an alert to a sink ended: delivered, unless
-- there is an error. A failed delivery is due again after `retry_in`, unless the
-- sink wants no more (`final`) or the time to keep trying is over. Returns
-- delivered, retry or gave up; null if another attempt has begun meanwhile.
CREATE OR REPLACE FUNCTION evtrack.end_delivery(
    the_alert bigint, the_sink text, the_attempt integer,
    the_error text DEFAULT NULL, retry_in interval DEFAULT '0',
    final boolean DEFAULT false
) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE evtrack.delivery d SET
        delivered_at = CASE WHEN the_error IS NULL THEN clock_timestamp() END,
        gave_up_at = CASE WHEN the_error IS NOT NULL
            AND (final OR d.give_up_at <= clock_timestamp())
            THEN clock_timestamp() END,
        error = left(the_error, 500), pause = retry_in,
        retry_at = clock_timestamp() + retry_in
    WHERE d.alert_id = the_alert AND d.sink = the_sink
        AND d.attempts = the_attempt
        AND d.delivered_at IS NULL AND d.gave_up_at IS NULL
    RETURNING CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered'
        WHEN d.gave_up_at IS NOT NULL THEN 'gave up' ELSE 'retry' END
$$;
