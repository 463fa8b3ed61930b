-- Return how many of a job's items had each status over time, one row per span
-- of its progress counters: ten seconds, or longer spans for what is long ago and
-- for an ended job, which has at most 120.
CREATE OR REPLACE FUNCTION evtrack.job_course(the_job bigint)
RETURNS TABLE (
    at timestamptz, pending bigint, running bigint, done bigint, failed bigint,
    crashed bigint, cancelled bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_timestamp(p.bucket * 10.0),
        (sum(sum(p.pending_items)) OVER course)::bigint,
        (sum(sum(p.running_items)) OVER course)::bigint,
        (sum(sum(p.completed_items)) OVER course)::bigint,
        (sum(sum(p.failed_items)) OVER course)::bigint,
        (sum(sum(p.crashed_items)) OVER course)::bigint,
        (sum(sum(p.cancelled_items)) OVER course)::bigint
    FROM evtrack.progress p WHERE p.job_id = the_job
    GROUP BY p.bucket WINDOW course AS (ORDER BY p.bucket)
    ORDER BY p.bucket
$$;
