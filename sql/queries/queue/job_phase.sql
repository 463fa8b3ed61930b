-- Read the phase of a job.
SELECT j.phase::text AS phase
FROM evtrack.job_state AS j
WHERE j.job_id = %(job_id)s::bigint
