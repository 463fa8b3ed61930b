CREATE OR REPLACE VIEW evtrack.alert_delivery AS
SELECT -- noqa: ST06
    d.alert_id,
    d.sink,
    CASE
        WHEN d.delivered_at IS NOT NULL THEN 'delivered'
        WHEN d.gave_up_at IS NOT NULL THEN 'gave up'
        ELSE 'pending'
    END AS state,
    d.attempts,
    d.created_at,
    d.retry_at,
    d.give_up_at,
    d.delivered_at,
    d.gave_up_at,
    d.taken_by,
    d.error
FROM evtrack.delivery AS d;

COMMENT ON VIEW evtrack.alert_delivery IS
'One row per alert and sink (--exec, --webhook, --slack) that it is delivered to: pending, delivered or gave up.';
COMMENT ON COLUMN evtrack.alert_delivery.sink IS
'Kind, host or program, and a hash of the whole target, which may hold a secret.';
COMMENT ON COLUMN evtrack.alert_delivery.attempts IS 'How many attempts have begun.';
COMMENT ON COLUMN evtrack.alert_delivery.retry_at IS
'When a pending delivery is due; while an attempt is under way, when another watcher may try if this one dies.';
COMMENT ON COLUMN evtrack.alert_delivery.give_up_at IS 'A delivery that fails after this time is given up.';
COMMENT ON COLUMN evtrack.alert_delivery.taken_by IS 'The watcher that made the last attempt.';
COMMENT ON COLUMN evtrack.alert_delivery.error IS 'Why the last attempt that ended failed; null if it did not.';
