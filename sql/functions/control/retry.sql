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
    numbers integer[];
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
    -- Batches that are named are looked up, each by itself: a chunk of a large
    -- job must not read all of it.
    numbers := CASE WHEN batch_nos IS NULL THEN ARRAY(
        SELECT b.batch_no FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = the_job
            AND b.status::text = ANY(statuses)
    ) ELSE ARRAY(
        SELECT u.no FROM (SELECT DISTINCT unnest(batch_nos) AS no) u
        CROSS JOIN LATERAL (
            SELECT FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job
                AND b.batch_no = u.no AND b.status::text = ANY(statuses)
            LIMIT 1
        ) b
    ) END;
    IF j.phase = 'finished' AND cardinality(numbers) > 0 THEN
        PERFORM evtrack.append_job_event(j, 'reopened');
    END IF;
    INSERT INTO evtrack.event (
        job_day, job_id, batch_no, version, type, attempt, data)
    SELECT j.job_day, j.job_id, b.batch_no, b.version + 1, 'requeued',
        b.attempt, '{"reason": "person", "reset": true}'
    FROM (SELECT unnest(numbers) AS no ORDER BY no) u
    CROSS JOIN LATERAL (
        SELECT o.batch_no, o.version, o.attempt FROM evtrack.batch o
        WHERE o.job_day = j.job_day AND o.job_id = the_job
            AND o.batch_no = u.no
        FOR UPDATE
    ) b;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
