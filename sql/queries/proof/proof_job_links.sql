-- Read those digests of a job's own stream that have moved out of its row.
SELECT
    first_version,
    links
FROM evtrack.job_link
WHERE job_id = %(job_id)s
ORDER BY first_version
