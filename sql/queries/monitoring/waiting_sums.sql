-- Count waiting jobs by reason, and find how long the oldest batch of each kind
-- has waited.
SELECT
    handler,
    why,
    count(*) AS jobs,
    greatest(0, max(waited_s)) AS waited_s
FROM evtrack.waiting
GROUP BY handler, why
