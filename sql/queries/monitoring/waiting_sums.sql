-- Why jobs wait, and for how long the oldest batch of each kind has.
SELECT
    handler,
    why,
    count(*) AS jobs,
    greatest(0, max(waited_s)) AS waited_s
FROM evtrack.waiting
GROUP BY handler, why
