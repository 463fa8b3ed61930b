-- Count the pending and running batches of a job.
CREATE OR REPLACE FUNCTION evtrack.open_batches(the_job bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT j.pending_batches + j.running_batches FROM evtrack.counted_job j
        WHERE j.job_id = the_job), 0)
$$;
