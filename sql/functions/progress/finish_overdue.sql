-- Finish the oldest sealed jobs that have no open batch, whose last worker died
-- before it could. Checks a limited number of jobs. Returns those that it
-- finished.
CREATE OR REPLACE FUNCTION evtrack.finish_overdue(most integer DEFAULT 1000)
RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.job_id
    FROM (
        SELECT j.job_id FROM evtrack.job j
        WHERE j.phase = 'sealed' ORDER BY j.job_id LIMIT most
    ) d
    WHERE evtrack.finish_due(d.job_id)
$$;
