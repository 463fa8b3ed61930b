-- Whether a worker is alive, silent, stopped or lost, and what it offered.
SELECT
    w.state,
    w.handlers
FROM evtrack.worker_status AS w
WHERE w.worker_id = %(worker_id)s AND w.host = %(host)s AND w.pid = %(pid)s
