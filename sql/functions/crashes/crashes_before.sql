-- Return the latest crashes before a place in their order: by time, job and
-- batch, latest first. Of one job, or of all; and if asked, only those since a
-- time. To go on, pass the last row's place. Join the view evtrack.crash for
-- details. Each call reads about as many rows as it returns, by an index.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.crashes_before(
    before_at timestamptz DEFAULT NULL,
    before_job bigint DEFAULT NULL,
    before_batch integer DEFAULT NULL,
    the_job bigint DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    most integer DEFAULT 50
) RETURNS TABLE (
    job_id bigint, batch_no integer, attempt integer, at timestamptz,
    handler text, cause text, signal text, exit_code bigint, worker_id bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_sort = off AS $$
DECLARE
    day date := (SELECT j.job_day FROM evtrack.job j WHERE j.job_id = the_job);
    job_before bigint := coalesce(before_job, 9223372036854775807);
    batch_before integer := coalesce(before_batch, 2147483647);
    start timestamptz := coalesce(since, '-infinity');
    finish timestamptz := coalesce(before_at, 'infinity');
BEGIN
    IF the_job IS NULL THEN
        RETURN QUERY
        SELECT e.job_id, e.batch_no, e.attempt, e.at, j.handler,
            e.data ->> 'cause', e.data ->> 'signal', CASE
                WHEN jsonb_typeof(e.data -> 'exit_code') = 'number'
                THEN (e.data ->> 'exit_code')::numeric::bigint END, e.worker_id
        FROM (
            SELECT c.* FROM evtrack.event c
            WHERE c.type = 'crashed' AND c.version > 2
                AND (c.at, c.job_id, c.batch_no)
                    < (finish, job_before, batch_before)
                AND c.at >= start
            ORDER BY c.at DESC, c.job_id DESC, c.batch_no DESC LIMIT most
        ) e
        JOIN evtrack.job j ON j.job_id = e.job_id
        ORDER BY e.at DESC, e.job_id DESC, e.batch_no DESC;
    ELSE
        RETURN QUERY
        SELECT e.job_id, e.batch_no, e.attempt, e.at, j.handler,
            e.data ->> 'cause', e.data ->> 'signal', CASE
                WHEN jsonb_typeof(e.data -> 'exit_code') = 'number'
                THEN (e.data ->> 'exit_code')::numeric::bigint END, e.worker_id
        FROM evtrack.job j
        CROSS JOIN (
            SELECT c.* FROM evtrack.event c
            WHERE c.job_day = day AND c.job_id = the_job
                AND c.type = 'crashed' AND c.version > 2
                AND c.at <= finish AND c.at >= start
                AND (c.at, c.batch_no) < (finish, batch_before)
            ORDER BY c.at DESC, c.batch_no DESC LIMIT most
        ) e
        WHERE j.job_id = the_job
        ORDER BY e.at DESC, e.batch_no DESC;
    END IF;
END $$;
COMMENT ON FUNCTION evtrack.crashes_before(
    timestamptz, bigint, integer, bigint, timestamptz, integer
) IS
'Crashes page by page, of all jobs or of one, latest first. Reads about as '
'many rows as it returns.';
