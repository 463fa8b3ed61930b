-- List the latest alerts, latest first.
SELECT
    alert_id,
    kind,
    severity,
    job_id,
    batch_no,
    created_at,
    delivered_at,
    delivered_by,
    cleared_at,
    facts
FROM evtrack.alert_status
WHERE
    (%(job_id)s::bigint IS NULL OR job_id = %(job_id)s)
    AND (NOT %(undelivered)s OR delivered_at IS NULL)
ORDER BY alert_id DESC
LIMIT (%(limit)s)
