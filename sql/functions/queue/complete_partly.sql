-- Report a batch in which a handler that works item by item failed on some
-- items. The batch is completed with the others. The failed items move, in the
-- same commit, to a new batch, which runs again with backoff while the error
-- budget lasts. `errors`, an array of {ordinal, key, type, message, traceback},
-- goes into the new batch's failed event. If all items failed, use fail().
-- Returns the verdict: ok, late or unknown.
CREATE OR REPLACE FUNCTION evtrack.complete_partly(
    the_worker bigint, the_job bigint, the_batch integer, the_attempt integer,
    run_s float8, results text, failed int4multirange, errors jsonb
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Lock the job first: the new batch takes its number from its row.
    j evtrack.job := evtrack.lock_job(the_job);
    h record;
    b evtrack.batch;
    n integer;
    first jsonb;
BEGIN
    PERFORM evtrack.check_report(ARRAY[the_job], ARRAY[the_batch],
        ARRAY[the_attempt], ARRAY[run_s]);
    SELECT * INTO h FROM evtrack.held(the_worker, ARRAY[the_job],
        ARRAY[the_batch], ARRAY[the_attempt], 'completed');
    IF h.verdict <> 'held' THEN
        RETURN CASE h.verdict WHEN 'again' THEN 'ok' ELSE h.verdict END;
    END IF;
    SELECT * INTO b FROM evtrack.batch
    WHERE job_day = j.job_day AND job_id = the_job AND batch_no = the_batch;
    SELECT sum(upper(r) - lower(r)) INTO n FROM unnest(failed) r;
    IF n IS NULL OR NOT b.ordinals @> failed OR n >= b.item_count THEN
        RAISE EXCEPTION 'job %, batch %: failed items % must be some of %, not all',
            the_job, the_batch, failed, b.ordinals USING ERRCODE = 'EV007',
            HINT = 'Use complete() when none failed, fail() when all did.';
    END IF;
    first := errors -> 0;
    -- In one statement, so that the fold sees the new batch's outcome.
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
        attempt, worker_id, data)
    SELECT j.job_day, the_job, the_batch, b.version + 1,
        'completed'::evtrack.event_type, the_attempt, the_worker,
        jsonb_strip_nulls(jsonb_build_object(
            'run_s', run_s, 'moved', failed::text, 'moved_items', n,
            'moved_to', jsonb_build_array(j.batch_count + 1)))
    UNION ALL
    SELECT j.job_day, the_job, j.batch_count + 1, 1, 'enqueued', the_attempt,
        NULL, jsonb_build_object('items', n, 'weight', n,
            'ordinals', failed::text, 'root', coalesce(b.root_no, the_batch),
            'parent', the_batch, 'errors', b.errors, 'crashes', b.crashes,
            'losses', b.losses)
    UNION ALL
    SELECT j.job_day, the_job, j.batch_count + 1, 2, 'failed', the_attempt,
        the_worker, jsonb_build_object('error', jsonb_strip_nulls(
            evtrack.error_facts(jsonb_build_object('type', first -> 'type',
                'message', first -> 'message',
                'traceback', first -> 'traceback', 'items', errors))))
    UNION ALL
    SELECT j.job_day, the_job, j.batch_count + 1, 3, 'requeued', the_attempt,
        the_worker, jsonb_build_object('reason', 'retry',
            'run_at', evtrack.retry_at(j.policy, b.errors + 1))
    WHERE j.phase <> 'cancelled' AND b.errors + 1
        < evtrack.policy_number(j.policy, 'max_errors');
    IF results IS NOT NULL THEN
        INSERT INTO evtrack.result (
            job_day, job_id, batch_no, ordinals, lines)
        VALUES (j.job_day, the_job, the_batch, b.ordinals - failed, results);
    END IF;
    RETURN 'ok';
END $$;
