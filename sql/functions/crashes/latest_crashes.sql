-- Return the latest crashes of the last `span` over all jobs, latest first.
-- Join the view evtrack.crash for details: by itself, that view would read
-- every crash ever recorded. Reads only the days of jobs that were open within
-- the span.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.latest_crashes(
    span interval DEFAULT '24 hours', most integer DEFAULT 5
) RETURNS TABLE (
    job_id bigint, batch_no integer, attempt integer, at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET enable_sort = off AS $$
DECLARE
    start timestamptz := clock_timestamp() - span;
    days date[] := evtrack.days_open_since(start);
BEGIN
    RETURN QUERY
    SELECT e.job_id, e.batch_no, e.attempt, e.at
    FROM evtrack.event e
    WHERE e.job_day = ANY(days) AND e.type = 'crashed' AND e.at > start
        AND e.version > 2
    ORDER BY e.at DESC, e.job_id DESC, e.batch_no DESC LIMIT most;
END $$;
