SELECT
    phase::text AS phase,
    count(*) AS jobs
FROM evtrack.job_state
WHERE handler <> 'evtrack.canary'
GROUP BY phase
ORDER BY phase
