-- Finish the oldest sealed jobs that have no open batch, whose last worker died
-- before it could; a limited number of them. Returns those that it finished.
CREATE OR REPLACE FUNCTION evtrack.finish_overdue(most integer DEFAULT 1000)
RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.job_id FROM evtrack.finish_jobs(ARRAY(
        SELECT c.job_id FROM evtrack.counted_job c
        WHERE c.phase = 'sealed' AND c.pending_batches + c.running_batches = 0
        ORDER BY c.job_id LIMIT most)) f
    WHERE f.finished
$$;
