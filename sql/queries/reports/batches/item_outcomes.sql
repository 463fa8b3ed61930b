-- Show what became of the items that a batch began with, grouped by status and path.
SELECT
    i.status::text AS status,
    i.batch_no,
    i.path,
    count(*) AS items,
    (array_agg(i.item_key ORDER BY i.ordinal))[1:3] AS first_keys
FROM evtrack.item_status AS i
WHERE
    i.job_id = %(job_id)s
    AND i.ordinal >= lower(%(ordinals)s::int4multirange)
    AND i.ordinal < upper(%(ordinals)s::int4multirange)
    AND %(ordinals)s::int4multirange @> i.ordinal
GROUP BY i.status, i.batch_no, i.path
ORDER BY min(i.ordinal)
LIMIT (%(limit)s)
