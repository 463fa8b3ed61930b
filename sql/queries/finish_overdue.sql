-- Finish jobs in which nothing is open and whose last worker did not live to
-- say so.
SELECT d.job_id
FROM (
    SELECT j.job_id
    FROM evtrack.job AS j
    WHERE j.phase = 'sealed'
    ORDER BY j.job_id
    LIMIT %(most)s::integer
) AS d
WHERE evtrack.finish_due(d.job_id)
