-- Show that the job has a submitter, for as long as this session lives.
SELECT evtrack.hold_job(%(job_id)s::bigint) AS held
