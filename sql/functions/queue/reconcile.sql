-- Bring a worker and the log into agreement after a lost connection or answer.
-- For each batch that the worker holds, return whether the log agrees (held) or
-- not (lost: kill it). Requeue the batches that the worker holds only according
-- to the log.
CREATE OR REPLACE FUNCTION evtrack.reconcile(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[]
) RETURNS TABLE (
    job_id bigint, batch_no integer, attempt integer, verdict text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped record;
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    -- A claim of this worker may still be about to commit, on a connection that
    -- the worker has given up. Wait for it: otherwise its batches would stay
    -- running although no worker has them. The lock must go again at once, as
    -- heartbeats would wait for it; only an error gives it back.
    BEGIN
        PERFORM FROM evtrack.worker w
        WHERE w.worker_id = the_worker FOR UPDATE;
        RAISE EXCEPTION USING ERRCODE = 'EV000';
    EXCEPTION WHEN SQLSTATE 'EV000' THEN
        NULL;
    END;
    PERFORM evtrack.check_worker(the_worker);
    SELECT array_agg(r.job_id) AS jobs, array_agg(r.batch_no) AS batches,
        array_agg(r.attempt) AS attempts INTO dropped
    FROM evtrack.running_batches(the_worker) r
    WHERE NOT EXISTS (
        SELECT 1 FROM unnest(job_ids, batch_nos, reconcile.attempts)
            AS g (job_id, batch_no, attempt)
        WHERE g.job_id = r.job_id AND g.batch_no = r.batch_no
            AND g.attempt = r.attempt);
    RETURN QUERY
    SELECT g.job_id, g.batch_no, g.attempt, CASE WHEN b.status = 'running'
        AND b.worker_id = the_worker AND b.attempt = g.attempt
        THEN 'held' ELSE 'lost' END
    FROM unnest(job_ids, batch_nos, reconcile.attempts)
        WITH ORDINALITY AS g (job_id, batch_no, attempt, place)
    LEFT JOIN evtrack.job j ON j.job_id = g.job_id
    LEFT JOIN evtrack.batch b ON b.job_day = j.job_day
        AND b.job_id = g.job_id AND b.batch_no = g.batch_no
    ORDER BY g.place;
    IF dropped.jobs IS NOT NULL THEN
        RETURN QUERY
        SELECT q.job_id, q.batch_no, g.attempt, 'requeued'
        FROM evtrack.requeue(the_worker, dropped.jobs, dropped.batches,
            dropped.attempts, 'reconcile') q
        JOIN unnest(dropped.jobs, dropped.batches, dropped.attempts)
            AS g (job_id, batch_no, attempt)
            ON g.job_id = q.job_id AND g.batch_no = q.batch_no
        WHERE q.verdict = 'ok';
    END IF;
END $$;
