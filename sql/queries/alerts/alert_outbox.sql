-- Count undelivered alerts.
SELECT
    undelivered,
    lag_s
FROM evtrack.alert_outbox
