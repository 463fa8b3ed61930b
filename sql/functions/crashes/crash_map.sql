-- Count the attempts that ended on each of the last `days` UTC days, today
-- included, by handler. Failures and crashes are read from the log by index;
-- completions come from the progress counters, and in an ended job they are
-- precise to a 120th of its run time. A crash that counts against no item is
-- not counted, and a lost worker not as a crash, as in crash_rate_daily.
-- Handlers and days without attempts have no row. The cost depends on the
-- numbers of jobs, failures and crashes, not on the number of batches.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.crash_map(
    days integer DEFAULT 14
) RETURNS TABLE (
    handler text, day date, attempts bigint, completed bigint, failed bigint,
    crashed bigint, workers_lost bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    -- Time zone names are slow to apply to many rows.
    start timestamptz := date_bin(
        interval '1 day', statement_timestamp(), timestamptz 'epoch')
        - (least(greatest(days, 1), 366) - 1) * interval '1 day';
    job_days date[] := evtrack.days_open_since(start);
BEGIN
    RETURN QUERY
    WITH ended AS (
        SELECT j.handler,
            date_bin(interval '1 day', to_timestamp(p.bucket * 10.0),
                timestamptz 'epoch') AS midnight,
            sum(p.completed_batches) AS completed, 0 AS failed, 0 AS crashed,
            0 AS lost
        FROM evtrack.job j
        JOIN evtrack.progress p ON p.job_id = j.job_id
        WHERE (j.phase IN ('open', 'abandoned', 'sealed')
                OR greatest(j.finished_at, j.cancelled_at) >= start)
            AND p.bucket * 10.0 >= extract(EPOCH FROM start)
            AND p.completed_batches <> 0
        GROUP BY j.handler, midnight
        UNION ALL
        SELECT j.handler,
            date_bin(interval '1 day', e.at, timestamptz 'epoch') AS midnight,
            0, count(*), 0, 0
        FROM evtrack.job j
        JOIN evtrack.event e ON e.job_day = ANY(job_days)
            AND e.job_day = j.job_day AND e.job_id = j.job_id
        WHERE (j.phase IN ('open', 'abandoned', 'sealed')
                OR greatest(j.finished_at, j.cancelled_at) >= start)
            AND e.type = 'failed' AND e.at >= start AND e.version > 2
        GROUP BY j.handler, midnight
        UNION ALL
        -- A completion right after a crash only records the items done before
        -- it: it is not an attempt of its own.
        SELECT j.handler,
            date_bin(interval '1 day', e.at, timestamptz 'epoch') AS midnight,
            -count(n.type) FILTER (WHERE c.crashed), 0,
            count(*) FILTER (WHERE c.crashed), count(*) FILTER (WHERE c.lost)
        FROM evtrack.event e
        JOIN evtrack.job j ON j.job_id = e.job_id
        CROSS JOIN LATERAL (
            SELECT d.lost, NOT d.lost
                AND e.data ->> 'blame' IS DISTINCT FROM 'none' AS crashed
            FROM (
                SELECT e.data ->> 'cause' IS NOT DISTINCT FROM 'worker_lost'
                    AND e.data -> 'exclusive' IS DISTINCT FROM 'true' AS lost
            ) d
        ) c
        LEFT JOIN evtrack.event n ON n.job_day = ANY(job_days)
            AND n.job_day = e.job_day
            AND n.job_id = e.job_id AND n.batch_no = e.batch_no
            AND n.version = e.version + 1 AND n.type = 'completed'
        WHERE e.job_day = ANY(job_days) AND e.type = 'crashed'
            AND e.at >= start AND e.version > 2
        GROUP BY j.handler, midnight
    )
    SELECT e.handler, (e.midnight AT TIME ZONE 'UTC')::date,
        greatest(0, sum(e.completed + e.failed + e.crashed))::bigint,
        greatest(0, sum(e.completed))::bigint, sum(e.failed)::bigint,
        sum(e.crashed)::bigint, sum(e.lost)::bigint
    FROM ended e
    WHERE e.handler <> 'evtrack.canary'
    GROUP BY e.handler, e.midnight
    HAVING sum(e.completed) <> 0 OR sum(e.failed + e.crashed + e.lost) > 0
    ORDER BY e.handler, e.midnight;
END $$;
COMMENT ON FUNCTION evtrack.crash_map(integer) IS
'Attempts that ended, and those that failed or crashed, by handler and UTC day. Crashes and failures are exact.';
