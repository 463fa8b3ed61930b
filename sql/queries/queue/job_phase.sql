-- What phase a job is in.
SELECT j.phase::text AS phase
FROM evtrack.job_state AS j
WHERE j.job_id = %(job_id)s::bigint
