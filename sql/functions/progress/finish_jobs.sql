-- Finish those of these jobs that are sealed and have no open batch, as
-- finish_due() does for one. One row for each such job: whether it is finished
-- now. If not, another session has locked it, or the digest of a large job is
-- not complete: call again.
CREATE OR REPLACE FUNCTION evtrack.finish_jobs(job_ids bigint[])
RETURNS TABLE (job_id bigint, finished boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due bigint[];
    j evtrack.job;
BEGIN
    due := ARRAY(
        SELECT c.job_id FROM evtrack.counted_job c
        WHERE c.job_id = ANY(job_ids) AND c.phase = 'sealed'
            AND c.pending_batches + c.running_batches = 0
        ORDER BY c.job_id);
    IF due = '{}' THEN RETURN; END IF;
    PERFORM evtrack.settle_log();
    FOREACH job_id IN ARRAY due LOOP
        SELECT o.* INTO j FROM evtrack.job o
        WHERE o.job_id = finish_jobs.job_id FOR UPDATE SKIP LOCKED;
        finished := false;
        IF FOUND THEN
            -- Another session may have finished it, or a retry reopened it.
            CONTINUE WHEN j.phase <> 'sealed'
                OR evtrack.open_batches(job_id) > 0;
            finished := evtrack.finish_job(j);
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
