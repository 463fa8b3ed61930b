-- Where a walk over so many alerts ends; no row if there are not that many.
(
    SELECT alert_id
    FROM evtrack.alert_status
    WHERE NOT %(undelivered)s AND alert_id < coalesce(%(before)s::bigint, 9223372036854775807)
    ORDER BY alert_id DESC
    LIMIT 1 OFFSET (%(walk)s - 1)
)
UNION ALL
(
    SELECT alert_id
    FROM evtrack.alert_status
    WHERE
        %(undelivered)s AND delivered_at IS NULL
        AND alert_id < coalesce(%(before)s::bigint, 9223372036854775807)
    ORDER BY alert_id DESC
    LIMIT 1 OFFSET (%(walk)s - 1)
)
