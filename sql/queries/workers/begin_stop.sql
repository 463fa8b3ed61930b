-- Record that a worker was asked to stop.
SELECT evtrack.begin_stop(%(worker_id)s::bigint)
