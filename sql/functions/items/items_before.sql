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
SET enable_sort = off AS $$
DECLARE
    first_job bigint := coalesce(the_job, -9223372036854775808);
    last_job bigint := least(the_job, before_job, 9223372036854775807);
BEGIN
    RETURN QUERY
    SELECT p.job_id, p.ordinal FROM evtrack.payload p
    WHERE p.item_key = the_key AND p.job_id BETWEEN first_job AND last_job
        AND (before_job IS NULL OR p.job_id < before_job
            OR p.ordinal < before_ordinal)
    ORDER BY p.job_id DESC, p.ordinal DESC LIMIT most;
END $$;
COMMENT ON FUNCTION evtrack.items_before(
    text, bigint, integer, bigint, integer
) IS
'Where the items with a key are, page by page, latest job first. Reads about '
'as many rows as it returns.';
