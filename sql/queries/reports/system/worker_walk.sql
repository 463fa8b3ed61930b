-- Where a walk over so many workers ends; no row if there are not that many.
SELECT worker_id
FROM evtrack.worker_status
WHERE %(before)s::bigint IS NULL OR worker_id < %(before)s::bigint
ORDER BY worker_id DESC
LIMIT 1 OFFSET (%(walk)s - 1)
