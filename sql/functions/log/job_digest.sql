-- Return the digest over all streams of a job: the sha256 of the last digest of
-- the job's own stream followed by the last digest of each batch, by number; 32
-- zeros for a missing one. NULL if there is no such job. The job's finished
-- event holds it.
-- Does not read other jobs' batches, however few rows the statistics claim.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.job_digest(the_job bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
    SELECT sha256(evtrack.last_link(j.links) || coalesce((
        SELECT string_agg(evtrack.last_link(b.links), '' ORDER BY b.batch_no)
        FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id), ''))
    FROM evtrack.job j WHERE j.job_id = the_job
$$;
