-- Whether a worker is alive, silent, stopped or lost.
SELECT w.state
FROM evtrack.worker_status AS w
WHERE w.worker_id = %(worker_id)s AND w.host = %(host)s AND w.pid = %(pid)s
