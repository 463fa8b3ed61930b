-- Read a job's results in the order of the source.
SELECT
    r.ordinal,
    r.item_key,
    r.result
FROM evtrack.item_result AS r
WHERE r.job_id = %(job_id)s::bigint
ORDER BY r.ordinal
