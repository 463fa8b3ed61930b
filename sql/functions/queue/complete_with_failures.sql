-- Report batches in which a handler that works item by item failed on some
-- items. Each batch is completed with its other items. In the same commit, its
-- failed items (a multirange per batch) move to a new batch, which runs again
-- with backoff while the error budget lasts. `errors` has for each batch an
-- array of {ordinal, key, type, message, traceback}, which goes into the new
-- batch's failed event. Use fail() for a batch in which all items failed. One
-- verdict per batch, in the order given: ok, late or unknown.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.complete_with_failures(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], results text[],
    failed int4multirange[], errors jsonb[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    n integer := coalesce(cardinality(job_ids), 0);
    done integer := 0;
    of_day integer;
    wrong text;
    day date;
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts, run_s);
    -- Lock jobs before batches: new batches take their numbers from the job's
    -- row.
    PERFORM 1 FROM evtrack.job j
    WHERE j.job_id = ANY(job_ids) ORDER BY j.job_id FOR UPDATE;
    FOR day IN
        SELECT DISTINCT j.job_day FROM evtrack.job j
        WHERE j.job_id = ANY(job_ids) ORDER BY j.job_day
    LOOP
        -- All events in one statement, so that the fold sees each new batch's
        -- outcome.
        WITH given AS (
            -- If a batch is listed twice, the second report is a repetition.
            SELECT DISTINCT ON (g.job_id, g.batch_no, g.attempt) g.*
            FROM unnest(job_ids, batch_nos, attempts, run_s, results, failed,
                errors) AS g (job_id, batch_no, attempt, run_s, lines, failed,
                errors)
            ORDER BY g.job_id, g.batch_no, g.attempt
        ), held AS (
            SELECT b.*, (NOT isempty(g.failed) AND b.ordinals @> g.failed
                    AND b.ordinals <> g.failed) IS TRUE AS is_possible,
                j.policy, j.phase, g.run_s, g.lines, g.failed,
                g.errors AS items, (
                    SELECT sum(upper(r) - lower(r)) FROM unnest(g.failed) r
                ) AS n,
                (j.batch_count + row_number() OVER (
                    PARTITION BY g.job_id ORDER BY g.batch_no))::integer AS new_no
            FROM given g
            CROSS JOIN LATERAL (
                SELECT b.job_id, b.batch_no, b.version, b.attempt, b.errors,
                    b.crashes, b.losses, b.ordinals, b.root_no
                FROM evtrack.batch b
                WHERE b.job_day = day AND b.job_id = g.job_id
                    AND b.batch_no = g.batch_no AND b.status = 'running'
                    AND b.worker_id = the_worker AND b.attempt = g.attempt
                FOR UPDATE
            ) b
            CROSS JOIN LATERAL (
                SELECT j.policy, j.phase, j.batch_count FROM evtrack.job j
                WHERE j.job_id = g.job_id OFFSET 0
            ) j
        ), report AS (
            SELECT h.* FROM held h WHERE h.is_possible
        ), kept AS (
            INSERT INTO evtrack.result (
                job_day, job_id, batch_no, ordinals, lines)
            SELECT day, r.job_id, r.batch_no, r.ordinals - r.failed, r.lines
            FROM report r WHERE r.lines IS NOT NULL
        ), appended AS (
            INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
                attempt, worker_id, data)
            SELECT day, r.job_id, r.batch_no, r.version + 1,
                'completed'::evtrack.event_type, r.attempt, the_worker,
                jsonb_strip_nulls(jsonb_build_object(
                    'run_s', r.run_s, 'moved', r.failed::text, 'moved_items', r.n,
                    'moved_to', jsonb_build_array(r.new_no)))
            FROM report r
            UNION ALL
            SELECT day, r.job_id, r.new_no, 1, 'enqueued', r.attempt, NULL,
                jsonb_build_object('items', r.n, 'weight', r.n,
                    'ordinals', r.failed::text,
                    'root', coalesce(r.root_no, r.batch_no),
                    'parent', r.batch_no, 'errors', r.errors,
                    'crashes', r.crashes, 'losses', r.losses)
            FROM report r
            UNION ALL
            SELECT day, r.job_id, r.new_no, 2, 'failed', r.attempt, the_worker,
                jsonb_build_object('error', jsonb_strip_nulls(
                    evtrack.error_facts(jsonb_build_object(
                        'type', r.items -> 0 -> 'type',
                        'message', r.items -> 0 -> 'message',
                        'traceback', r.items -> 0 -> 'traceback',
                        'items', r.items))))
            FROM report r
            UNION ALL
            SELECT day, r.job_id, r.new_no, 3, 'requeued', r.attempt, the_worker,
                jsonb_build_object('reason', 'retry',
                    'run_at', evtrack.retry_at(r.policy, r.errors + 1))
            FROM report r
            WHERE r.phase <> 'cancelled' AND r.errors + 1
                < evtrack.policy_number(r.policy, 'max_errors')
        )
        SELECT count(*), min(format('job %s, batch %s: failed items %s must be '
            'some of %s, not all', h.job_id, h.batch_no, h.failed, h.ordinals))
            FILTER (WHERE NOT h.is_possible)
        INTO of_day, wrong FROM held h;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION '%', wrong USING ERRCODE = 'EV007',
                HINT = 'Use complete() when none failed, fail() when all did.';
        END IF;
        done := done + of_day;
    END LOOP;

    IF done = n THEN
        RETURN QUERY SELECT g.job_id, g.batch_no, 'ok'
        FROM unnest(job_ids, batch_nos) AS g (job_id, batch_no);
    ELSE
        -- held() finds the batches completed above in the log: `again`.
        RETURN QUERY SELECT h.job_id, h.batch_no, CASE h.verdict
            WHEN 'again' THEN 'ok' ELSE h.verdict END
        FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'completed') h;
    END IF;
END $$;
