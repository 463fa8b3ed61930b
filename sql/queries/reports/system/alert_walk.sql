-- Where a walk over so many alerts ends; no row if there are not that many.
SELECT alert_id
FROM evtrack.alert_status
WHERE
    (%(before)s::bigint IS NULL OR alert_id < %(before)s::bigint)
    AND (NOT %(undelivered)s OR delivered_at IS NULL)
ORDER BY alert_id DESC
LIMIT 1 OFFSET (%(walk)s - 1)
