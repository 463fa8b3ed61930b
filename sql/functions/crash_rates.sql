-- Of each handler whose batches crashed in the last `span`: the attempts that
-- ended in it, and how many of them crashed. Crashes and failures are read
-- from the log, completions from the counters, to ten seconds. The outbox says
-- where to look, so that nothing is read where nothing crashed.
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
        sum(c.completed + f.failed + k.crashed - k.counted_twice)::bigint,
        sum(k.crashed)::bigint
    FROM since s
    CROSS JOIN suspect h
    JOIN evtrack.job j ON j.handler = h.handler
        AND (j.phase IN ('open', 'abandoned', 'sealed')
            OR greatest(j.finished_at, j.cancelled_at) > s.instant)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.completed_batches), 0) AS completed
        FROM evtrack.progress p
        WHERE p.job_id = j.job_id
            AND p.bucket * 10.0 >= extract(EPOCH FROM s.instant)
    ) c
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed FROM evtrack.event e
        WHERE e.job_day = j.job_day AND e.job_id = j.job_id
            AND e.type = 'failed' AND e.at > s.instant AND e.version > 2
    ) f
    -- A completion right after a crash says what was done before: no attempt.
    CROSS JOIN LATERAL (
        SELECT count(*) AS crashed, count(n.type) AS counted_twice
        FROM evtrack.event e
        LEFT JOIN evtrack.event n ON n.job_day = j.job_day
            AND n.job_id = e.job_id AND n.batch_no = e.batch_no
            AND n.version = e.version + 1 AND n.type = 'completed'
        WHERE e.job_day = j.job_day AND e.job_id = j.job_id
            AND e.type = 'crashed' AND e.at > s.instant AND e.version > 2
    ) k
    GROUP BY h.handler
$$;
