-- Return where the items with a key are, before a place in their order: by job
-- and ordinal, latest first. In one job, or in all. To go on, pass the last
-- row's place. Join the view evtrack.item_status for what became of them: by
-- itself, that view would look up each item with the key before it sorts them.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.items_before(
    the_key text,
    before_job bigint DEFAULT NULL,
    before_ordinal integer DEFAULT NULL,
    the_job bigint DEFAULT NULL,
    most integer DEFAULT 20
) RETURNS TABLE (job_id bigint, ordinal integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET jit = off AS $$
DECLARE
    day date := (SELECT j.job_day FROM evtrack.job j WHERE j.job_id = the_job);
    last_job bigint := coalesce(before_job, 9223372036854775807);
BEGIN
    IF the_job IS NULL THEN
        RETURN QUERY
        SELECT p.job_id, p.ordinal FROM evtrack.payload p
        WHERE p.item_key = the_key AND p.job_id <= last_job
            AND (before_job IS NULL OR p.job_id < before_job
                OR p.ordinal < before_ordinal)
        ORDER BY p.job_id DESC, p.ordinal DESC LIMIT most;
    ELSE
        RETURN QUERY
        SELECT p.job_id, p.ordinal FROM evtrack.payload p
        WHERE p.job_day = day AND p.job_id = the_job AND p.item_key = the_key
            AND (before_job IS NULL OR the_job < before_job
                OR the_job = before_job AND p.ordinal < before_ordinal)
        -- An expression, or the primary key, which has this order, would be
        -- walked over all items of the job.
        ORDER BY p.ordinal + 0 DESC LIMIT most;
    END IF;
END $$;
COMMENT ON FUNCTION evtrack.items_before(
    text, bigint, integer, bigint, integer
) IS
'Where the items with a key are, page by page, latest job first. Reads about '
'as many rows as it returns.';
