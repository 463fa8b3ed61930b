-- Count workers that are neither stopped nor lost, and their slots.
SELECT
    state,
    count(*) AS workers,
    sum(slots)::bigint AS slots,
    sum(busy)::bigint AS busy
FROM evtrack.worker_status
WHERE state IN ('alive', 'silent')
GROUP BY state
