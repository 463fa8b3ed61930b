-- Declare workers lost whose session lock has been gone for the grace period
-- (as two looks have seen, and counted at the earliest from the server's start),
-- or whose heartbeat is older than the lease; see lose(). Jobs whose submitter
-- has been gone for the lease become abandoned. The spans are real time, whatever
-- the clock does, and only while somebody looks; see keep_time(). One call at a
-- time has an effect. The reapers of a fleet take turns: `the_reaper` is a random
-- number of the caller's, and `elapsed` the time since its last call
-- ended, by a monotonic clock. While one has its turn, the calls of the others return nothing
-- and cost nearly nothing. A call without a number looks whoever has the turn.
-- Returns one row per lost worker.
CREATE OR REPLACE FUNCTION evtrack.reap(
    grace interval DEFAULT '5 seconds', lease interval DEFAULT '30 seconds',
    the_reaper bigint DEFAULT NULL, elapsed interval DEFAULT NULL
) RETURNS TABLE (
    worker_id bigint, name text, why text, batches integer, handlers text[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    instant timestamptz;
    u evtrack.upkeep;
    -- Before the clock was set back, it was later.
    started timestamptz := CASE WHEN pg_postmaster_start_time()
        <= clock_timestamp() THEN pg_postmaster_start_time() END;
    keys bigint[];
    dead evtrack.worker[];
    lost evtrack.worker;
    j evtrack.job;
    abandoned integer := 0;
BEGIN
    -- A negative span would declare live workers lost.
    IF (grace >= '0' AND lease >= '0'
        AND greatest(grace, lease) <= '100 years') IS NOT TRUE THEN
        RAISE EXCEPTION 'invalid grace % or lease %: each must be from 0 to '
            '100 years', coalesce(grace::text, 'null'),
            coalesce(lease::text, 'null') USING ERRCODE = 'EV007';
    END IF;
    SELECT * INTO u FROM evtrack.upkeep;
    IF evtrack.has_turn(u, the_reaper) IS FALSE THEN RETURN; END IF;
    SELECT * INTO u FROM evtrack.upkeep FOR UPDATE SKIP LOCKED;
    -- Meanwhile another may have taken the turn.
    IF NOT FOUND OR evtrack.has_turn(u, the_reaper) IS FALSE THEN RETURN; END IF;
    -- After the lock, so that it is later than that of the last call.
    instant := clock_timestamp();
    u := evtrack.keep_time(u, instant, grace, lease, the_reaper, elapsed);
    -- Of all sessions at once: reading pg_locks costs as much for one as for all.
    keys := ARRAY(
        SELECT (l.classid::bigint << 32) | l.objid::bigint
        FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (
                SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname = current_database()));

    -- A worker whose claim is about to commit is skipped: retry next time. More
    -- than some at once would take too long for one transaction.
    SELECT array_agg(w) INTO dead
    FROM (
        SELECT w.* FROM evtrack.worker w
        WHERE w.stopped_at IS NULL AND w.lost_at IS NULL
            AND (greatest(w.seen_at, u.steady_since) < instant - lease
                OR w.session_lock AND w.gone_at IS NOT NULL
                AND greatest(w.gone_at, started, u.steady_since)
                    < instant - grace
                AND hashtextextended('evtrack.worker', w.worker_id)
                    <> ALL(keys))
        ORDER BY w.worker_id LIMIT 50 FOR UPDATE SKIP LOCKED
    ) w;
    UPDATE evtrack.worker w
    SET gone_at = CASE WHEN NOT l.held THEN u.due_at END
    FROM (
        SELECT v.worker_id, k.key IS NOT NULL AS held
        FROM evtrack.worker v
        LEFT JOIN unnest(keys) k (key)
            ON k.key = hashtextextended('evtrack.worker', v.worker_id)
        WHERE v.stopped_at IS NULL AND v.lost_at IS NULL AND v.session_lock
            AND (k.key IS NULL) = (v.gone_at IS NULL)
        ORDER BY v.worker_id FOR NO KEY UPDATE OF v SKIP LOCKED
    ) l
    WHERE w.worker_id = l.worker_id;

    IF dead IS NOT NULL THEN
        PERFORM evtrack.lock_suspects(ARRAY(
            SELECT d.worker_id FROM unnest(dead) d));
    END IF;
    FOREACH lost IN ARRAY coalesce(dead, '{}') LOOP
        worker_id := lost.worker_id;
        name := lost.name;
        handlers := lost.handlers;
        why := CASE WHEN lost.session_lock AND lost.gone_at IS NOT NULL
            AND greatest(lost.gone_at, started, u.steady_since)
                < instant - grace
            THEN 'session gone' ELSE 'no heartbeat' END;
        batches := evtrack.lose(lost, why);
        RETURN NEXT;
    END LOOP;

    FOR j IN
        SELECT o.* FROM evtrack.job o
        WHERE o.phase = 'open'
            AND greatest(CASE WHEN coalesce(o.extended_at, o.created_at)
                <= instant THEN coalesce(o.extended_at, o.created_at) END,
                u.steady_since, u.stepped_at) < instant - lease
            AND coalesce(started < instant - grace, true)
            AND hashtextextended('evtrack.submit', o.job_id) <> ALL(keys)
        ORDER BY o.job_id LIMIT 100 FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM evtrack.append_job_event(j, 'abandoned');
        abandoned := abandoned + 1;
    END LOOP;
    IF the_reaper IS NOT NULL AND dead IS NULL AND abandoned = 0 THEN
        -- Nothing but the time of the look would be lost with the server.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
END $$;
