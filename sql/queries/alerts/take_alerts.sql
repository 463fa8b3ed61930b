-- Lock undelivered alerts for this transaction.
SELECT
    t.alert_id,
    t.kind,
    t.severity,
    t.job_id,
    t.batch_no,
    t.facts,
    t.created_at
FROM evtrack.take_alerts(%(most)s::integer) AS t
