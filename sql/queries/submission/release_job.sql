-- End what evtrack.hold_job() began: this session submits the job no more.
SELECT pg_advisory_unlock(
    hashtextextended('evtrack.submit', %(job_id)s::bigint)
) AS released
