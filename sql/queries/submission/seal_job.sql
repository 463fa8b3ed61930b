-- Say that a job is submitted whole.
SELECT evtrack.seal(%(job_id)s::bigint, %(submitter)s::uuid)
