-- Sum up the deliveries to each sink that are pending, and those that were given up in the last day.
SELECT
    d.sink,
    count(*) FILTER (WHERE d.state = 'pending') AS pending,
    count(*) FILTER (WHERE d.state = 'gave up') AS gave_up,
    coalesce(
        greatest(0, extract(EPOCH FROM statement_timestamp() - min(d.created_at) FILTER (WHERE d.state = 'pending'))), 0
    )::double precision AS lag_s,
    (array_agg(d.error ORDER BY d.retry_at DESC) FILTER (WHERE d.error IS NOT NULL))[1] AS error
FROM evtrack.alert_delivery AS d
WHERE
    (d.delivered_at IS NULL AND d.gave_up_at IS NULL)
    OR d.gave_up_at > statement_timestamp() - interval '1 day'
GROUP BY d.sink
ORDER BY d.sink
