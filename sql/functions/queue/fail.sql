-- Report batches whose handler raised an error. Each is requeued with backoff,
-- in the same transaction, while its job's error budget lasts. One verdict per
-- batch: retry, failed, late or unknown.
CREATE OR REPLACE FUNCTION evtrack.fail(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], errors jsonb[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts, run_s);
    RETURN QUERY
    WITH report AS (
        SELECT h.*, h.phase <> 'cancelled' AND h.errors + 1
            < evtrack.policy_number(h.policy, 'max_errors') AS again
        FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'failed') h
    ), appended AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 1,
            'failed'::evtrack.event_type, r.attempt, the_worker,
            jsonb_strip_nulls(jsonb_build_object('run_s', fail.run_s[r.place],
                'error', evtrack.error_facts(fail.errors[r.place])))
        FROM report r WHERE r.verdict = 'held'
        UNION ALL
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 2, 'requeued',
            r.attempt, the_worker, jsonb_build_object('reason', 'retry',
                'run_at', evtrack.retry_at(r.policy, r.errors + 1))
        FROM report r WHERE r.verdict = 'held' AND r.again
    )
    SELECT r.job_id, r.batch_no, CASE
        WHEN r.verdict = 'held' AND r.again THEN 'retry'
        WHEN r.verdict = 'held' THEN 'failed'
        WHEN r.verdict = 'again' AND r.status <> 'failed' THEN 'retry'
        WHEN r.verdict = 'again' THEN 'failed'
        ELSE r.verdict END
    FROM report r ORDER BY r.place;
END $$;
