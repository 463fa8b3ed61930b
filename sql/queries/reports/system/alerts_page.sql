-- List alerts below a number, latest first: of so many that are looked at, those of a kind; or undelivered ones. With
-- how many deliveries of each to other sinks are pending, and how many were given up.
WITH looked AS (
    (
        SELECT *
        FROM evtrack.alert_status
        WHERE NOT %(undelivered)s AND alert_id < coalesce(%(before)s::bigint, 9223372036854775807)
        ORDER BY alert_id DESC
        LIMIT (%(walk)s)
    )
    UNION ALL
    (
        SELECT *
        FROM evtrack.alert_status
        WHERE
            %(undelivered)s AND delivered_at IS NULL
            AND alert_id < coalesce(%(before)s::bigint, 9223372036854775807)
        ORDER BY alert_id DESC
        LIMIT (%(walk)s)
    )
)

SELECT
    a.alert_id,
    a.kind,
    a.severity,
    a.job_id,
    a.batch_no,
    a.created_at,
    a.delivered_at,
    a.delivered_by,
    a.cleared_at,
    a.facts,
    a.subject,
    d.pending_sinks,
    d.failed_sinks
FROM (
    SELECT *
    FROM looked
    WHERE %(kind)s::text IS NULL OR kind = %(kind)s::text
    ORDER BY alert_id DESC
    LIMIT (%(limit)s)
) AS a
CROSS JOIN
    LATERAL (
        SELECT
            count(*) FILTER (WHERE s.state = 'pending') AS pending_sinks,
            count(*) FILTER (WHERE s.state = 'gave up') AS failed_sinks
        FROM evtrack.alert_delivery AS s
        WHERE s.alert_id = a.alert_id
    ) AS d
ORDER BY a.alert_id DESC
