-- How many batches of a handler wait, over all its jobs.
SELECT coalesce(sum(p.pending_batches), 0)::bigint AS pending
FROM evtrack.job AS j
INNER JOIN evtrack.progress AS p ON j.job_id = p.job_id
WHERE
    j.handler = %(the_handler)s
    AND j.phase IN ('open', 'abandoned', 'sealed')
