-- The digest over all streams of a job: sha256 of the last digest of the job's
-- own stream and then of each batch's, by number; 32 zeros where there is none.
-- NULL if there is no such job. It stands in the job's finished event.
-- However few rows statistics say there are, other jobs' batches are not read.
CREATE OR REPLACE FUNCTION evtrack.job_digest(the_job bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
    SELECT sha256(evtrack.last_link(j.links) || coalesce((
        SELECT string_agg(evtrack.last_link(b.links), '' ORDER BY b.batch_no)
        FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id), ''))
    FROM evtrack.job j WHERE j.job_id = the_job
$$;
