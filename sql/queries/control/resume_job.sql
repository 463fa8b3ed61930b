SELECT evtrack.resume(%(job_id)s) AS changed
