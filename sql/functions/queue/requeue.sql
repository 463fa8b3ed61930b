-- Return batches to pending that were interrupted through no fault of their
-- own, because their worker stops. They can be claimed again at once, and no
-- budget is touched. A batch of a cancelled job is cancelled instead. One
-- verdict per batch: ok, late or unknown.
CREATE OR REPLACE FUNCTION evtrack.requeue(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], reason text
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    RETURN QUERY
    WITH report AS (
        SELECT h.* FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'requeued') h
    ), appended AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 1,
            'requeued'::evtrack.event_type, r.attempt, the_worker,
            jsonb_build_object('reason', left(requeue.reason, 60))
        FROM report r WHERE r.verdict = 'held'
        UNION ALL
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 2, 'cancelled',
            r.attempt, the_worker, '{"reason": "job cancelled"}'
        FROM report r WHERE r.verdict = 'held' AND r.phase = 'cancelled'
    )
    SELECT r.job_id, r.batch_no, CASE
        WHEN r.verdict IN ('held', 'again') THEN 'ok' ELSE r.verdict END
    FROM report r ORDER BY r.place;
END $$;
