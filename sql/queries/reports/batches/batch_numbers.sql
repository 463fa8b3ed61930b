SELECT
    n.batch_no,
    n.looked_to
FROM evtrack.batch_numbers(
    %(job_id)s::bigint, %(status)s::evtrack.status, %(after)s::integer, %(limit)s::integer, %(walk)s::integer
) AS n
