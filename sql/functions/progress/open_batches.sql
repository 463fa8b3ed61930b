-- Count the pending and running batches of a job.
CREATE OR REPLACE FUNCTION evtrack.open_batches(the_job bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(p.pending_batches + p.running_batches), 0)::bigint
    FROM evtrack.progress p WHERE p.job_id = the_job
$$;
