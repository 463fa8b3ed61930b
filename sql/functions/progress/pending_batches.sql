-- Count the pending batches of a handler, over all its jobs.
CREATE OR REPLACE FUNCTION evtrack.pending_batches(the_handler text)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH theirs AS (
        SELECT j.job_id FROM evtrack.job j
        WHERE j.handler = the_handler
            AND j.phase IN ('open', 'abandoned', 'sealed')
    )
    SELECT coalesce(sum(p.pending_batches), 0)::bigint
    FROM evtrack.progress p JOIN theirs t ON t.job_id = p.job_id
$$;
