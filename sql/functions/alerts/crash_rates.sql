-- For each handler whose batches crashed in the last `span`, count the attempts
-- that ended in it and those that crashed. Crashes and failures are read from
-- the log, completions from the progress counters, precise to ten seconds. The
-- outbox shows which handlers had crashes, those that raised alerts and, for a
-- day, those that were only counted; others are not read.
CREATE OR REPLACE FUNCTION evtrack.crash_rates(
    span interval DEFAULT '1 hour'
) RETURNS TABLE (handler text, attempts bigint, crashed bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    WITH since AS (
        SELECT clock_timestamp() - span AS instant
    ), suspect AS (
        SELECT DISTINCT j.handler
        FROM since s
        JOIN evtrack.alert a ON a.created_at > s.instant
        JOIN evtrack.job j ON j.job_id = a.job_id
        WHERE a.kind IN ('batch_crashed', 'item_poisoned')
            OR a.kind = 'alert_storm'
            AND a.facts ->> 'of' IN ('batch_crashed', 'item_poisoned')
        UNION
        SELECT j.handler
        FROM since s
        JOIN evtrack.alert_storm c ON c.kind = 'crash_retried'
            AND c.minute > s.instant - interval '1 minute'
        JOIN evtrack.job j ON j.job_id = c.job_id
    )
    SELECT h.handler,
        sum(a.completed + a.failed + a.crashed)::bigint,
        sum(a.crashed)::bigint
    FROM since s
    CROSS JOIN suspect h
    JOIN evtrack.job j ON j.handler = h.handler
        AND (j.phase IN ('open', 'abandoned', 'sealed')
            OR greatest(j.finished_at, j.cancelled_at) > s.instant)
    CROSS JOIN LATERAL evtrack.job_attempts(j.job_day, j.job_id, s.instant) a
    GROUP BY h.handler
$$;
