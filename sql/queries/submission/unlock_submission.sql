-- Undo evtrack.hold_job(): this session no longer submits the job.
SELECT pg_advisory_unlock(
    hashtextextended('evtrack.submit', %(job_id)s::bigint)
) AS released
