-- Show for as long as this session lives that the job has a submitter.
SELECT evtrack.hold_job(%(job_id)s::bigint) AS held
