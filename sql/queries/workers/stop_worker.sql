-- Record that a worker stopped normally.
SELECT evtrack.stop_worker(%(worker_id)s::bigint)
