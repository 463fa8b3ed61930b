-- List the deliveries of alerts to sinks.
SELECT
    alert_id,
    sink,
    state,
    attempts,
    retry_at,
    delivered_at,
    gave_up_at,
    taken_by,
    error
FROM evtrack.alert_delivery
WHERE alert_id = any(%(alert_ids)s::bigint[])
ORDER BY alert_id DESC, sink ASC
