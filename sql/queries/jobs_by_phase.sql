SELECT
    phase::text AS phase,
    count(*) AS jobs
FROM evtrack.job
GROUP BY phase
ORDER BY phase
