-- Where a walk over so many jobs ends; no row if there are not that many.
SELECT job_id
FROM evtrack.job_state
WHERE %(before)s::bigint IS NULL OR job_id < %(before)s::bigint
ORDER BY job_id DESC
LIMIT 1 OFFSET (%(walk)s - 1)
