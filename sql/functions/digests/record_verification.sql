-- Keep what a verification found in a job: how many events it read, whether the
-- log itself is damaged, and how many differences there are, with the first 20
-- of them. Without any, the job is whole if it has ended, and still has the
-- version that it had before the verification began to read; others are as yet
-- open. Of each job, the latest 100 verifications are kept. Returns false if
-- there is no such job.
CREATE OR REPLACE FUNCTION evtrack.record_verification(
    the_job bigint,
    job_version integer,
    event_count bigint,
    log_is_damaged boolean,
    difference_count bigint,
    differences jsonb DEFAULT '[]'
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended boolean;
BEGIN
    -- A cleanup that drops the job waits for this row, and then drops it too.
    SELECT j.phase IN ('finished', 'cancelled') AND j.version = job_version
        AND evtrack.open_batches(the_job) = 0
    INTO ended
    FROM evtrack.job j WHERE j.job_id = the_job FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO evtrack.verification (
        job_id, outcome, event_count, difference_count, differences, digest)
    VALUES (
        the_job,
        CASE WHEN log_is_damaged THEN 'damaged'
            WHEN difference_count > 0 THEN 'departs'
            WHEN ended THEN 'whole'
            ELSE 'open' END,
        record_verification.event_count,
        record_verification.difference_count,
        CASE WHEN jsonb_typeof(record_verification.differences) = 'array'
            THEN jsonb_path_query_array(
                record_verification.differences, '$[0 to 19]')
            ELSE '[]' END,
        evtrack.job_digest(the_job)
    )
    ON CONFLICT DO NOTHING;
    DELETE FROM evtrack.verification v
    WHERE v.job_id = the_job AND v.at < (
        SELECT k.at FROM evtrack.verification k WHERE k.job_id = the_job
        ORDER BY k.at DESC LIMIT 1 OFFSET 99);
    RETURN true;
END $$;
COMMENT ON FUNCTION evtrack.record_verification(
    bigint, integer, bigint, boolean, bigint, jsonb
) IS
'Keeps what a verification found in a job, for the view job_verification; '
'false if there is no such job.';
