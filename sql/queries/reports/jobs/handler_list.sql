-- Read the sums of each handler's jobs, those with most under way first.
SELECT
    handler,
    jobs,
    pending,
    running,
    done,
    failed,
    crashed,
    cancelled
FROM evtrack.handler_status
ORDER BY running DESC, pending DESC, handler ASC
LIMIT (%(limit)s)
