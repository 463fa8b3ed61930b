-- Report batches whose process died, with what is known of each death. Each
-- goes back to pending while its job's budget of crashes lasts. One verdict a
-- batch: retry, crashed, late or unknown.
CREATE OR REPLACE FUNCTION evtrack.crash(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], dossiers jsonb[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH report AS MATERIALIZED (
        SELECT h.*, h.phase <> 'cancelled' AND h.crashes + 1
            < coalesce((h.policy ->> 'max_crashes')::integer, 2) AS again
        FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'crashed') h
    ), appended AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 1,
            'crashed'::evtrack.event_type, r.attempt, the_worker,
            '{"cause": "unknown"}' || CASE
                WHEN jsonb_typeof(crash.dossiers[r.place]) = 'object'
                    THEN jsonb_strip_nulls(crash.dossiers[r.place])
                ELSE jsonb_build_object('note', crash.dossiers[r.place]) END
        FROM report r WHERE r.verdict = 'held'
        UNION ALL
        SELECT r.job_day, r.job_id, r.batch_no, r.version + 2, 'requeued',
            r.attempt, the_worker, '{"reason": "retry"}'
        FROM report r WHERE r.verdict = 'held' AND r.again
    )
    SELECT r.job_id, r.batch_no, CASE
        WHEN r.verdict = 'held' AND r.again THEN 'retry'
        WHEN r.verdict = 'held' THEN 'crashed'
        WHEN r.verdict = 'again' AND r.status <> 'crashed' THEN 'retry'
        WHEN r.verdict = 'again' THEN 'crashed'
        ELSE r.verdict END
    FROM report r ORDER BY r.place;
END $$;
