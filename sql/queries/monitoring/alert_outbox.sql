-- What no watcher has delivered yet.
SELECT
    undelivered,
    lag_s
FROM evtrack.alert_outbox
