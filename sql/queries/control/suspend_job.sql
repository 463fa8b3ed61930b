SELECT evtrack.suspend(%(job_id)s) AS changed
