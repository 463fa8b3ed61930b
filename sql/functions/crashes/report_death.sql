-- Report what a worker that died had left on its host: which of its batches had
-- begun, which item of each was in hand (0: the whole batch; null: no item), and
-- which were done (a multirange, with their result lines). Batches that are not
-- listed had not begun. The worker is declared lost with this knowledge; if it
-- was declared lost before, its batches that are still pending are divided
-- accordingly. One verdict per batch: alive, if the worker's session is still
-- open, or its claim is about to commit, so that nothing was recorded; late, if
-- the batch has had another attempt; otherwise its status, `retry` for pending.
CREATE OR REPLACE FUNCTION evtrack.report_death(
    dead_worker bigint, reporter bigint, facts jsonb, job_ids bigint[],
    batch_nos integer[], attempts integer[], begun boolean[],
    in_hand integer[], done text[], results text[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lost evtrack.worker;
    reported evtrack.batch_at_death[];
    r evtrack.batch_at_death;
    alive boolean := false;
    past boolean;
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    -- Null: a worker that starts and is not registered yet.
    IF reporter IS NOT NULL THEN
        PERFORM evtrack.find_worker(reporter);
    END IF;
    SELECT array_agg(ROW(g.job_id, g.batch_no, g.attempt, coalesce(g.begun,
        false), g.in_hand, coalesce(g.done, '{}')::int4multirange,
        g.results)::evtrack.batch_at_death ORDER BY g.place)
    INTO reported
    FROM unnest(job_ids, batch_nos, attempts, report_death.begun,
        report_death.in_hand, report_death.done, report_death.results)
        WITH ORDINALITY AS g (
        job_id, batch_no, attempt, begun, in_hand, done, results, place);
    reported := coalesce(reported, '{}');
    -- Claims of a dead worker end with its session; see reconcile().
    SELECT * INTO lost FROM evtrack.worker w
    WHERE w.worker_id = dead_worker FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT true INTO alive FROM evtrack.worker w
        WHERE w.worker_id = dead_worker;
    END IF;
    past := lost.lost_at IS NOT NULL OR lost.stopped_at IS NOT NULL;
    IF lost.worker_id IS NOT NULL AND NOT past THEN
        alive := evtrack.has_session_lock(
            hashtextextended('evtrack.worker', dead_worker));
    END IF;
    IF alive OR lost.worker_id IS NULL THEN
        RETURN QUERY
        SELECT u.job_id, u.batch_no,
            CASE WHEN alive THEN 'alive' ELSE 'late' END
        FROM unnest(reported) u;
        RETURN;
    END IF;
    PERFORM evtrack.lock_suspects(ARRAY[dead_worker], job_ids);
    IF NOT past THEN
        facts := (evtrack.crash_facts(facts) - '{blame,isolated,ordinal,'
            'item_key,run_s}'::text[]) || jsonb_build_object(
            'reported_by', reporter);
        PERFORM evtrack.lose(lost, coalesce(facts ->> 'why', 'process died'),
            facts, reported);
    END IF;
    FOREACH r IN ARRAY reported LOOP
        job_id := r.job_id;
        batch_no := r.batch_no;
        IF past THEN
            PERFORM evtrack.divide_suspect(lost, r);
        END IF;
        verdict := coalesce((
            SELECT CASE b.status WHEN 'pending' THEN 'retry'
                ELSE b.status::text END
            FROM evtrack.job j
            JOIN evtrack.batch b ON b.job_day = j.job_day
                AND b.job_id = j.job_id AND b.batch_no = r.batch_no
            WHERE j.job_id = r.job_id AND b.attempt = r.attempt
                AND b.worker_id = dead_worker), 'late');
        RETURN NEXT;
    END LOOP;
END $$;
