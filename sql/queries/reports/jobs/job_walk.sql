-- Where a walk over so many jobs ends; no row if there are not that many.
SELECT job_id
FROM evtrack.job_state
WHERE job_id < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY job_id DESC
LIMIT 1 OFFSET (%(walk)s - 1)
