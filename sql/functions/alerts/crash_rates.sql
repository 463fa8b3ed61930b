-- For each handler whose batches crashed in the last `span`, count the attempts
-- that ended in it and those that crashed. Crashes and failures are read from
-- the log, completions from the progress counters, precise to ten seconds. The
-- outbox shows which handlers had crashes; others are not read.
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
        WHERE a.kind = 'batch_crashed'
            OR a.kind = 'alert_storm' AND a.facts ->> 'of' = 'batch_crashed'
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
