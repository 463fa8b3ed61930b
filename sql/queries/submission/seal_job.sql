-- Mark the source of a job as complete.
SELECT evtrack.seal(%(job_id)s::bigint, %(submitter)s::uuid)
