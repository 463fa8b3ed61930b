-- Return failed and crashed batches of a job to pending, with new budgets; a
-- finished job is reopened for them. Returns how many. Notify 'evtrack_work'
-- with the handler's name after the commit.
CREATE OR REPLACE FUNCTION evtrack.retry(
    the_job bigint,
    statuses text[] DEFAULT '{failed,crashed}',
    batch_nos integer[] DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
    n integer;
BEGIN
    IF (statuses <@ '{failed,crashed}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot retry batches with statuses %',
            coalesce(statuses::text, 'null')
            USING ERRCODE = 'EV007',
            HINT = 'Only failed and crashed batches can be retried.';
    END IF;
    IF j.phase = 'cancelled' THEN
        RAISE EXCEPTION 'job % is cancelled: its batches cannot be retried',
            the_job USING ERRCODE = 'EV004', HINT = 'Submit a new job.';
    END IF;
    -- A job may have been restored without its items.
    IF j.item_count > 0 AND NOT EXISTS (
        SELECT FROM evtrack.payload p
        WHERE p.job_day = j.job_day AND p.job_id = the_job
    ) THEN
        RAISE EXCEPTION 'the items of job % are not stored: there is nothing to run',
            the_job USING ERRCODE = 'EV004', HINT = 'Submit a new job; or '
            'archive with --with-payload next time.';
    END IF;
    IF j.phase = 'finished' AND EXISTS (
        SELECT 1 FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.status::text = ANY(statuses)
            AND (batch_nos IS NULL OR b.batch_no = ANY(batch_nos))
    ) THEN
        PERFORM evtrack.append_job_event(j, 'reopened');
    END IF;
    WITH back AS (
        SELECT b.batch_no, b.version, b.attempt FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.status::text = ANY(statuses)
            AND (batch_nos IS NULL OR b.batch_no = ANY(batch_nos))
        ORDER BY b.batch_no FOR UPDATE
    )
    INSERT INTO evtrack.event (
        job_day, job_id, batch_no, version, type, attempt, data)
    SELECT j.job_day, j.job_id, k.batch_no, k.version + 1, 'requeued',
        k.attempt, '{"reason": "person", "reset": true}'
    FROM back k;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
