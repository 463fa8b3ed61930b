-- Report one batch in which a handler that works item by item failed on some
-- items. Workers of earlier releases call it; see complete_with_failures().
-- Returns the verdict: ok, late or unknown. Raises EV003 if there is no such
-- job.
CREATE OR REPLACE FUNCTION evtrack.complete_partly(
    the_worker bigint, the_job bigint, the_batch integer, the_attempt integer,
    run_s float8, results text, failed int4multirange, errors jsonb
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.lock_job(the_job);
    RETURN (
        SELECT c.verdict FROM evtrack.complete_with_failures(
            the_worker, ARRAY[the_job], ARRAY[the_batch], ARRAY[the_attempt],
            ARRAY[run_s], ARRAY[results], ARRAY[failed], ARRAY[errors]) c);
END $$;
