-- Declare workers lost whose session lock has been gone for the grace period
-- (counted from when that was first seen, and at the earliest from the server's
-- start), or whose heartbeat is older than the lease. Crash their batches with
-- cause worker_lost and requeue them while their lost-worker budget lasts. Jobs
-- whose submitter has been gone for the lease become abandoned. One call at a
-- time has an effect; concurrent ones return nothing. Returns one row per lost
-- worker.
CREATE OR REPLACE FUNCTION evtrack.reap(
    grace interval DEFAULT '5 seconds', lease interval DEFAULT '30 seconds'
) RETURNS TABLE (
    worker_id bigint, name text, why text, batches integer, handlers text[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    instant timestamptz := clock_timestamp();
    lost evtrack.worker;
    j evtrack.job;
BEGIN
    -- A negative span would declare live workers lost.
    IF (grace >= '0' AND lease >= '0'
        AND greatest(grace, lease) <= '100 years') IS NOT TRUE THEN
        RAISE EXCEPTION 'invalid grace % or lease %: each must be from 0 to '
            '100 years', coalesce(grace::text, 'null'),
            coalesce(lease::text, 'null') USING ERRCODE = 'EV007';
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('evtrack.reap', 0)) THEN
        RETURN;
    END IF;
    UPDATE evtrack.worker w
    SET gone_at = CASE WHEN l.held THEN NULL ELSE instant END
    FROM (
        SELECT v.worker_id, evtrack.has_session_lock(
            hashtextextended('evtrack.worker', v.worker_id)) AS held
        FROM evtrack.worker v
        WHERE v.stopped_at IS NULL AND v.lost_at IS NULL AND v.session_lock
    ) l
    WHERE w.worker_id = l.worker_id AND l.held = (w.gone_at IS NOT NULL);

    FOR lost IN
        SELECT w.* FROM evtrack.worker w
        WHERE w.stopped_at IS NULL AND w.lost_at IS NULL
            AND (w.seen_at < instant - lease
                OR w.session_lock AND greatest(
                    w.gone_at, pg_postmaster_start_time()) < instant - grace
                    AND w.gone_at IS NOT NULL)
        ORDER BY w.worker_id FOR UPDATE SKIP LOCKED
    LOOP
        -- A claim of this worker is about to commit: retry next time.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(
            hashtextextended('evtrack.claim', lost.worker_id));
        UPDATE evtrack.worker w SET lost_at = clock_timestamp(), busy = 0
        WHERE w.worker_id = lost.worker_id;
        worker_id := lost.worker_id;
        name := lost.name;
        handlers := lost.handlers;
        why := CASE WHEN lost.session_lock AND lost.gone_at < instant - grace
            THEN 'session gone' ELSE 'no heartbeat' END;
        batches := evtrack.lose(lost, why);
        PERFORM evtrack.raise_alert('worker_lost', lost.worker_id::text, '',
            'error', jsonb_build_object('worker_id', lost.worker_id,
                'worker', left(lost.name, 200), 'host', lost.host,
                'pid', lost.pid, 'handlers', lost.handlers, 'why', why,
                'batches', batches, 'seen_at', lost.seen_at));
        RETURN NEXT;
    END LOOP;

    FOR j IN
        SELECT o.* FROM evtrack.job o
        WHERE o.phase = 'open'
            AND coalesce(o.extended_at, o.created_at) < instant - lease
            AND pg_postmaster_start_time() < instant - grace
            AND NOT evtrack.has_session_lock(
                hashtextextended('evtrack.submit', o.job_id))
        ORDER BY o.job_id FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM evtrack.append_job_event(j, 'abandoned');
    END LOOP;
END $$;
