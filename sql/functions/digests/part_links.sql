-- Return the last digests of the batches in one part of a job, by number. NULL
-- if the part has no batch. Does not read other jobs' batches, however few rows
-- the statistics claim.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.part_links(
    the_day date, the_job bigint, part integer
) RETURNS bytea
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    size integer := evtrack.digest_part_size();
BEGIN
    RETURN (
        SELECT string_agg(
            evtrack.last_batch_link(b.links, b.version), '' ORDER BY b.batch_no)
        FROM evtrack.batch b
        WHERE b.job_day = the_day AND b.job_id = the_job
            AND b.batch_no > part * size AND b.batch_no <= (part + 1) * size);
END $$;
