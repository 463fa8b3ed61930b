-- Whether a session holds the submission, see evtrack.hold_job().
SELECT
    evtrack.has_session_lock(
        hashtextextended('evtrack.submit', %(job_id)s::bigint)
    ) AS lives
