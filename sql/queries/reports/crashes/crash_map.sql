SELECT
    handler,
    day,
    attempts,
    completed,
    failed,
    crashed,
    workers_lost
FROM evtrack.crash_map(%(days)s::integer)
