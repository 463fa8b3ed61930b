-- Say that a worker ended in good order.
SELECT evtrack.stop_worker(%(worker_id)s::bigint)
