-- Version 2 of a batch's stream ends no attempt: the batch was born failed or crashed of one that is counted already.
-- Nor does a completion right after a crash: it says what was done before.
CREATE OR REPLACE VIEW evtrack.crash_rate_daily AS
SELECT -- noqa: ST06
    (e.at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS attempts,
    count(*) FILTER (WHERE e.type = 'completed') AS completed,
    count(*) FILTER (WHERE e.type = 'failed') AS failed,
    count(*) FILTER (WHERE e.type = 'crashed') AS crashed,
    count(*) FILTER (WHERE e.type = 'crashed' AND e.data ->> 'cause' = 'worker_lost') AS workers_lost,
    round(100.0 * count(*) FILTER (WHERE e.type = 'crashed') / count(*), 2) AS crash_rate_pct
FROM evtrack.event AS e
WHERE
    e.type IN ('completed', 'failed', 'crashed') AND e.batch_no > 0 AND e.version > 2
    AND (
        e.type <> 'completed' OR e.data -> 'moved' IS NULL OR NOT EXISTS (
            SELECT 1 FROM evtrack.event AS c
            WHERE
                c.job_day = e.job_day AND c.job_id = e.job_id AND c.batch_no = e.batch_no
                AND c.version = e.version - 1 AND c.type = 'crashed'
        )
    )
GROUP BY (e.at AT TIME ZONE 'UTC')::date
ORDER BY day DESC;

COMMENT ON VIEW evtrack.crash_rate_daily IS
'Attempts that ended on each UTC day and how many of them crashed, read from the log: a crash stays a crash, '
'also when the batch was completed later. Reads the whole log.';
COMMENT ON COLUMN evtrack.crash_rate_daily.crashed IS 'Attempts that crashed, those of lost workers too.';
COMMENT ON COLUMN evtrack.crash_rate_daily.workers_lost IS 'Of the crashed: attempts whose whole worker was lost.';
COMMENT ON COLUMN evtrack.crash_rate_daily.crash_rate_pct IS 'Crashed attempts in a hundred.';
