-- Count the pending batches of a handler, over all its jobs.
CREATE OR REPLACE FUNCTION evtrack.pending_batches(the_handler text)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(j.pending_batches), 0)::bigint
    FROM evtrack.counted_job j
    WHERE j.handler = the_handler
        AND j.phase IN ('open', 'abandoned', 'sealed')
$$;
