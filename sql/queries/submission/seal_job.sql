-- Record that a job is submitted completely.
SELECT evtrack.seal(%(job_id)s::bigint, %(submitter)s::uuid)
