SELECT evtrack.cancel(%(job_id)s) AS changed
