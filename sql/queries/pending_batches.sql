-- How many batches of a handler wait, over all its jobs.
WITH theirs AS (
    SELECT job_id
    FROM evtrack.job
    WHERE
        handler = %(the_handler)s
        AND phase IN ('open', 'abandoned', 'sealed')
)

SELECT coalesce(sum(p.pending_batches), 0)::bigint AS pending
FROM evtrack.progress AS p
INNER JOIN theirs AS t ON p.job_id = t.job_id
