-- Mark alerts as delivered.
SELECT evtrack.mark_alerts(%(alert_ids)s::bigint[], %(who)s::text) AS marked
