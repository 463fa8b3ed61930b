-- Count the attempts that ended in the last `span`, over all jobs, and those
-- that are running now. Failures and crashes are read from the log by index.
-- Completions come from the progress counters, precise to ten seconds (for a
-- job that has ended, to a 120th of its run time), so the cost does not depend
-- on the number of batches. Reads only the days of jobs that were open within
-- the span.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.attempts(
    span interval DEFAULT '24 hours'
) RETURNS TABLE (
    since timestamptz, attempts bigint, completed bigint, failed bigint,
    crashed bigint, workers_lost bigint, running bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    start timestamptz := clock_timestamp() - span;
    days date[] := evtrack.days_open_since(start);
BEGIN
    RETURN QUERY
    WITH each_job AS (
        SELECT a.*, j.running_batches AS running
        FROM evtrack.counted_job j
        CROSS JOIN LATERAL evtrack.job_attempts(
            j.job_day, j.job_id, start, days) a
        WHERE j.handler <> 'evtrack.canary'
            AND (j.phase IN ('open', 'abandoned', 'sealed')
                OR greatest(j.finished_at, j.cancelled_at) > start)
    )
    SELECT start,
        coalesce(sum(e.completed + e.failed + e.crashed), 0)::bigint,
        coalesce(sum(e.completed), 0)::bigint,
        coalesce(sum(e.failed), 0)::bigint,
        coalesce(sum(e.crashed), 0)::bigint,
        coalesce(sum(e.workers_lost), 0)::bigint,
        coalesce(sum(e.running), 0)::bigint
    FROM each_job e;
END $$;
