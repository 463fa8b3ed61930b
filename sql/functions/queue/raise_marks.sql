-- Raise the low-water marks of jobs: `fresh_after` is a batch number up to which
-- no batch is new, so that a search for new batches does not walk over those that
-- were new once. A start that is not committed keeps the mark below it, and a job
-- whose row is locked is left to the next call. Callers see to it that this is
-- seldom: it walks itself, and versions of a job's row are in everybody's way
-- while an old snapshot is held.
CREATE OR REPLACE FUNCTION evtrack.raise_marks(job_ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    j record;
    mark integer;
BEGIN
    FOR j IN
        SELECT o.job_id, o.job_day, o.fresh_after FROM evtrack.job o
        WHERE o.job_id = ANY(raise_marks.job_ids) FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- Not the job's batch_count, which can be newer than what is seen here.
        mark := coalesce(
            (
                SELECT b.batch_no - 1 FROM evtrack.batch b
                WHERE b.job_day = j.job_day AND b.job_id = j.job_id AND b.fresh
                    AND b.batch_no > j.fresh_after
                ORDER BY b.batch_no LIMIT 1
            ),
            (
                SELECT b.batch_no FROM evtrack.batch b
                WHERE b.job_day = j.job_day AND b.job_id = j.job_id
                ORDER BY b.batch_no DESC LIMIT 1
            ));
        IF mark > j.fresh_after THEN
            UPDATE evtrack.job SET fresh_after = mark WHERE job_id = j.job_id;
        END IF;
    END LOOP;
END $$;
