-- Completed attempts are counted from the batches, because a completed batch keeps its row; failed and crashed ones
-- from the log, where an index has only these. Reading all events takes longer.
-- A batch that crashed in its last attempt, and was completed with the items done before, counts as crashed.
-- Version 2 of a stream is not counted: the batch was created failed or crashed by an attempt that its parent has.
-- A lost worker is not a crash, and a crash that counts against no item is not counted, as in evtrack.job_attempts().
-- date_bin: computing each row's date in a named time zone costs as much as reading the row.
CREATE OR REPLACE VIEW evtrack.crash_rate_daily AS
SELECT
    (a.midnight AT TIME ZONE 'UTC')::date AS day,
    sum(a.completed + a.failed + a.crashed)::bigint AS attempts,
    sum(a.completed)::bigint AS completed,
    sum(a.failed)::bigint AS failed,
    sum(a.crashed)::bigint AS crashed,
    sum(a.workers_lost)::bigint AS workers_lost,
    round(100.0 * sum(a.crashed) / sum(a.completed + a.failed + a.crashed), 2) AS crash_rate_pct
FROM (
    SELECT
        date_bin(interval '1 day', b.finished_at, timestamptz 'epoch') AS midnight,
        count(*) AS completed,
        0 AS failed,
        0 AS crashed,
        0 AS workers_lost
    FROM evtrack.batch AS b
    WHERE
        b.status = 'completed'
        AND (
            b.crashes + b.losses = 0
            OR NOT EXISTS (
                SELECT 1
                FROM evtrack.event AS c
                WHERE
                    c.job_day = b.job_day AND c.job_id = b.job_id AND c.batch_no = b.batch_no
                    AND c.attempt = b.attempt AND c.type = 'crashed'
                    AND coalesce(c.data ->> 'blame', '') <> 'none'
                    AND (
                        coalesce(c.data ->> 'cause', '') <> 'worker_lost'
                        OR coalesce(c.data -> 'exclusive' = 'true', false)
                    )
            )
        )
    GROUP BY midnight
    UNION ALL
    SELECT
        date_bin(interval '1 day', e.at, timestamptz 'epoch') AS midnight,
        0 AS completed,
        count(*) FILTER (WHERE e.type = 'failed') AS failed,
        count(*) FILTER (WHERE e.type = 'crashed' AND NOT l.lost AND coalesce(e.data ->> 'blame', '') <> 'none')
            AS crashed,
        count(*) FILTER (WHERE e.type = 'crashed' AND l.lost) AS workers_lost
    FROM evtrack.event AS e
    CROSS JOIN
        LATERAL (
            SELECT
                coalesce(e.data ->> 'cause' = 'worker_lost', false)
                AND NOT coalesce(e.data -> 'exclusive' = 'true', false)
                    AS lost
        ) AS l
    WHERE e.type IN ('failed', 'crashed') AND e.batch_no > 0 AND e.version > 2
    GROUP BY midnight
) AS a
GROUP BY a.midnight
ORDER BY day DESC;

COMMENT ON VIEW evtrack.crash_rate_daily IS
'Attempts that ended on each UTC day, and how many of them crashed. A crash counts even if the batch was completed '
'later. Reads all batches that were not dropped: a second or two per million.';
COMMENT ON COLUMN evtrack.crash_rate_daily.crashed IS
'Attempts that crashed. Not counted: those of lost workers, and crashes that count against no item.';
COMMENT ON COLUMN evtrack.crash_rate_daily.workers_lost IS
'Attempts whose whole worker was lost; neither crashed nor among the attempts.';
COMMENT ON COLUMN evtrack.crash_rate_daily.crash_rate_pct IS 'Crashed attempts in percent.';
