-- For each handler whose batches crashed in the last `span`, count the attempts
-- that ended in it and those that crashed. Crashes and failures are read from
-- the log, completions from the progress counters, precise to ten seconds. The
-- outbox shows which handlers had crashes, those that raised alerts and, for a
-- day, those that were only counted; others are not read.
CREATE OR REPLACE FUNCTION evtrack.crash_rates(
    span interval DEFAULT '1 hour'
) RETURNS TABLE (handler text, attempts bigint, crashed bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    start timestamptz := clock_timestamp() - span;
    job_ids bigint[];
    days date[];
BEGIN
    SELECT array_agg(j.job_id), array_agg(DISTINCT j.job_day)
    INTO job_ids, days
    FROM (
        SELECT o.handler
        FROM evtrack.alert a
        JOIN evtrack.job o ON o.job_id = a.job_id
        WHERE a.created_at > start
            AND (a.kind IN ('batch_crashed', 'item_poisoned')
                OR a.kind = 'alert_storm'
                AND a.facts ->> 'of' IN ('batch_crashed', 'item_poisoned'))
        UNION
        SELECT o.handler
        FROM evtrack.alert_storm c
        JOIN evtrack.job o ON o.job_id = c.job_id
        WHERE c.kind = 'crash_retried'
            AND c.minute > start - interval '1 minute'
    ) suspect
    JOIN evtrack.job j ON j.handler = suspect.handler
        AND (j.phase IN ('open', 'abandoned', 'sealed')
            OR greatest(j.finished_at, j.cancelled_at) > start);
    RETURN QUERY
    SELECT j.handler,
        sum(a.completed + a.failed + a.crashed)::bigint,
        sum(a.crashed)::bigint
    FROM evtrack.job j
    CROSS JOIN LATERAL evtrack.job_attempts(
        j.job_day, j.job_id, start, days) a
    WHERE j.job_id = ANY(job_ids)
    GROUP BY j.handler;
END $$;
