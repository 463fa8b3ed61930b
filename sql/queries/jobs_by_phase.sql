SELECT
    phase::text AS phase,
    count(*) AS jobs
FROM evtrack.job_state
GROUP BY phase
ORDER BY phase
