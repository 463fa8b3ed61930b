-- Return the digest over all streams of a job: the sha256 of the last digest of
-- the job's own stream followed by the last digest of each batch, by number; 32
-- zeros for a missing one. In a job with more batches than
-- evtrack.digest_part_size(), the sha256 of the last digests of each part stands
-- for these. NULL if there is no such job. The job's finished event holds it.
CREATE OR REPLACE FUNCTION evtrack.job_digest(the_job bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(evtrack.last_link(j.links) || coalesce(CASE
        WHEN j.batch_count <= evtrack.digest_part_size()
            THEN evtrack.part_links(j.job_day, j.job_id, 0)
        ELSE (
            SELECT string_agg(sha256(evtrack.part_links(
                j.job_day, j.job_id, p)), '' ORDER BY p)
            FROM generate_series(
                0, (j.batch_count - 1) / evtrack.digest_part_size()) p
        ) END, ''))
    FROM evtrack.job j WHERE j.job_id = the_job
$$;
