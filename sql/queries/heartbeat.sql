-- Say that a worker lives.
SELECT evtrack.heartbeat(%(worker_id)s::bigint, %(busy)s::integer) AS accepted
