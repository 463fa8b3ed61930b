-- Declare workers lost whose session lock has been gone for the grace period
-- (counted from when that was first seen, and at the earliest from the server's
-- start), or whose heartbeat is older than the lease; see lose(). Jobs whose
-- submitter has been gone for the lease become abandoned. Both spans count at
-- the earliest from when the server's clock last stepped: a gap between two
-- calls is one, because workers call this every second. One call at a time has
-- an effect; concurrent ones return nothing. Returns one row per lost worker.
CREATE OR REPLACE FUNCTION evtrack.reap(
    grace interval DEFAULT '5 seconds', lease interval DEFAULT '30 seconds'
) RETURNS TABLE (
    worker_id bigint, name text, why text, batches integer, handlers text[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    instant timestamptz;
    steady timestamptz;
    started timestamptz;
    dead evtrack.worker[];
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
    -- After the lock, so that it is later than that of the last call.
    instant := clock_timestamp();
    steady := evtrack.steady_since(instant, lease);
    -- Before the clock was set back, it was later.
    started := least(pg_postmaster_start_time(), instant);
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
            AND (greatest(w.seen_at, steady) < instant - lease
                OR w.session_lock AND greatest(
                    w.gone_at, started, steady) < instant - grace
                    AND w.gone_at IS NOT NULL)
        ORDER BY w.worker_id FOR UPDATE SKIP LOCKED
    LOOP
        -- A claim of this worker is about to commit: retry next time.
        IF pg_try_advisory_xact_lock(
            hashtextextended('evtrack.claim', lost.worker_id)) THEN
            dead := array_append(dead, lost);
        END IF;
    END LOOP;
    IF dead IS NOT NULL THEN
        PERFORM evtrack.lock_suspects(ARRAY(
            SELECT d.worker_id FROM unnest(dead) d));
    END IF;
    FOREACH lost IN ARRAY coalesce(dead, '{}') LOOP
        worker_id := lost.worker_id;
        name := lost.name;
        handlers := lost.handlers;
        why := CASE WHEN lost.session_lock AND greatest(
            lost.gone_at, started, steady) < instant - grace
            AND lost.gone_at IS NOT NULL
            THEN 'session gone' ELSE 'no heartbeat' END;
        batches := evtrack.lose(lost, why);
        RETURN NEXT;
    END LOOP;

    FOR j IN
        SELECT o.* FROM evtrack.job o
        WHERE o.phase = 'open'
            AND greatest(coalesce(o.extended_at, o.created_at), steady)
                < instant - lease
            AND started < instant - grace
            AND NOT evtrack.has_session_lock(
                hashtextextended('evtrack.submit', o.job_id))
        ORDER BY o.job_id FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM evtrack.append_job_event(j, 'abandoned');
    END LOOP;
END $$;
