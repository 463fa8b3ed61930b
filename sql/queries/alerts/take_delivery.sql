-- Take an alert that is due for a sink.
SELECT
    t.alert_id,
    t.kind,
    t.severity,
    t.job_id,
    t.batch_no,
    t.facts,
    t.created_at,
    t.attempt
FROM evtrack.take_delivery(%(sink)s::text, %(who)s::text, make_interval(secs => %(lease_s)s::float8)) AS t
