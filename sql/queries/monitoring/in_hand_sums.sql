-- Find how long the longest item in hand of each handler has been running.
SELECT
    x.handler,
    count(*) AS items,
    greatest(0, extract(EPOCH FROM statement_timestamp() - min(x.begun_at)))::double precision AS longest_s
FROM evtrack.worker_status AS w
CROSS JOIN LATERAL jsonb_to_recordset(w.in_hand) AS x (handler text, begun_at timestamptz)
WHERE w.state = 'alive' AND w.in_hand IS NOT NULL
GROUP BY x.handler
