-- Return the latest failures of a job before a place in their order: by time and
-- batch, latest first. To go on, pass the last row's place. A failure that a
-- batch was created with is its own: it has the items that failed. Each call
-- reads about as many rows as it returns, by an index.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.failures_before(
    the_job bigint,
    before_at timestamptz DEFAULT NULL,
    before_batch integer DEFAULT NULL,
    most integer DEFAULT 50
) RETURNS TABLE (
    batch_no integer, version integer, attempt integer, at timestamptz,
    data jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_sort = off AS $$
DECLARE
    day date := (SELECT j.job_day FROM evtrack.job j WHERE j.job_id = the_job);
    finish timestamptz := coalesce(before_at, 'infinity');
    batch_before integer := coalesce(before_batch, 2147483647);
BEGIN
    RETURN QUERY
    SELECT e.batch_no, e.version, e.attempt, e.at, e.data
    FROM evtrack.event e
    WHERE e.job_day = day AND e.job_id = the_job AND e.type = 'failed'
        AND e.at <= finish AND (e.at, e.batch_no) < (finish, batch_before)
    ORDER BY e.at DESC, e.batch_no DESC LIMIT most;
END $$;
COMMENT ON FUNCTION evtrack.failures_before(
    bigint, timestamptz, integer, integer
) IS
'The failures of a job page by page, latest first. Reads about as many rows '
'as it returns.';
