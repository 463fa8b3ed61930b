-- Find the worker that was lost last with a batch, or with the one that its items came from.
SELECT worker_id
FROM evtrack.crash
WHERE job_id = %(job_id)s AND batch_no = any(%(batch_nos)s::integer[]) AND cause = 'worker_lost'
ORDER BY at DESC
LIMIT 1
