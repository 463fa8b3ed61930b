-- Read the first results of a batch in the order of the source, each cut after some characters.
SELECT
    r.ordinal,
    r.item_key,
    left(r.result, %(characters)s::integer) AS result
FROM evtrack.item_result AS r
WHERE
    r.job_id = %(job_id)s::bigint
    AND r.batch_no = %(batch_no)s::integer
ORDER BY r.ordinal
LIMIT (%(limit)s)
