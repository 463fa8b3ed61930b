SELECT
    at,
    pending,
    running,
    done,
    failed,
    crashed,
    cancelled
FROM evtrack.job_course(%(job_id)s)
