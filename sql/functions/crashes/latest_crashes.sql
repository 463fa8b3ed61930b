-- Return the latest crashes of the last `span` over all jobs, latest first.
-- Join the view evtrack.crash for details: by itself, that view would read
-- every crash ever recorded.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.latest_crashes(
    span interval DEFAULT '24 hours', most integer DEFAULT 5
) RETURNS TABLE (
    job_id bigint, batch_no integer, attempt integer, at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT c.job_id, c.batch_no, c.attempt, c.at
    FROM evtrack.job j
    CROSS JOIN LATERAL (
        SELECT e.job_id, e.batch_no, e.attempt, e.at
        FROM evtrack.event e
        WHERE e.job_day = j.job_day AND e.job_id = j.job_id
            AND e.type = 'crashed' AND e.at > clock_timestamp() - span
            AND e.version > 2
        ORDER BY e.at DESC LIMIT most
    ) c
    WHERE j.phase IN ('open', 'abandoned', 'sealed')
        OR greatest(j.finished_at, j.cancelled_at) > clock_timestamp() - span
    ORDER BY c.at DESC, c.job_id, c.batch_no LIMIT most
$$;
