-- Show how these workers were lost, and how many live workers offer what they offered.
SELECT
    w.worker_id,
    w.name,
    w.host,
    w.pid,
    w.handlers,
    w.seen_at,
    w.lost_at,
    a.facts ->> 'why' AS why,
    (a.facts -> 'batches')::integer AS batches,
    (
        SELECT count(*)
        FROM evtrack.worker_status AS o
        WHERE o.state = 'alive' AND o.handlers @> w.handlers
    ) AS others
FROM evtrack.worker_status AS w
LEFT JOIN evtrack.alert_status AS a
    ON a.kind = 'worker_lost' AND a.subject = w.worker_id::text AND a.occasion = ''
WHERE w.state = 'lost' AND w.worker_id = any(%(worker_ids)s::bigint[]) -- noqa: RF02
ORDER BY w.worker_id
