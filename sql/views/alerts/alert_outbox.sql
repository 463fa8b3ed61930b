CREATE OR REPLACE VIEW evtrack.alert_outbox AS
SELECT
    count(*) AS undelivered,
    min(a.created_at) AS since,
    coalesce(greatest(0, extract(EPOCH FROM statement_timestamp() - min(a.created_at))), 0)::double precision AS lag_s
FROM evtrack.alert AS a
WHERE a.delivered_at IS NULL;

COMMENT ON VIEW evtrack.alert_outbox IS
'One row: how many alerts no watcher has delivered yet. While a watcher is running, it stays near 0.';
COMMENT ON COLUMN evtrack.alert_outbox.since IS 'When the oldest undelivered alert was raised; null if there is none.';
COMMENT ON COLUMN evtrack.alert_outbox.lag_s IS 'How many seconds ago that was; 0 if there is none.';
