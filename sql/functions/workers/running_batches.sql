-- Return the batches that a worker holds according to the projection. Called
-- only when a worker reconnects or is lost: it searches the jobs that have
-- running batches, so that claims need not maintain an index for it.
CREATE OR REPLACE FUNCTION evtrack.running_batches(the_worker bigint)
RETURNS TABLE (
    job_day date, job_id bigint, batch_no integer, attempt integer
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.job_day, b.job_id, b.batch_no, b.attempt
    FROM evtrack.counted_job j
    JOIN evtrack.batch b ON b.job_day = j.job_day AND b.job_id = j.job_id
    WHERE j.phase <> 'finished' AND j.running_batches > 0
        AND b.status = 'running'
        AND b.worker_id = the_worker
$$;
