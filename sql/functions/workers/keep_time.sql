-- Record that reap() looks now, and return its row with the time since when looks
-- have been steady. Spans are counted in real time while somebody looks:
-- * The time between two looks of the same reaper is what its monotonic clock
--   says, without what the look itself took; between others, it is what the
--   server's clock says.
-- * If that is longer than a third of the lease, but at least 3 seconds, or if
--   the clock went back between two reapers, nobody knows: both spans count from
--   now. The same goes for the grace if it is longer than half of it, because
--   workers may have been unable to reach the server.
-- * Otherwise what the clock stepped by is added to the times of the workers.
-- How far the clock was set back, and from when, is kept for due_by().
-- due_at is when this look would have been at the usual pace: what it finds gone
-- had gone by then. A caller that takes no turns writes nothing while others look. Called
-- only by evtrack.reap(), one call at a time.
CREATE OR REPLACE FUNCTION evtrack.keep_time(
    u evtrack.upkeep, instant timestamptz, grace interval, lease interval,
    the_reaper bigint, elapsed interval
) RETURNS evtrack.upkeep
LANGUAGE plpgsql AS $$
DECLARE
    wall interval := instant - u.reaped_at;
    mine boolean := coalesce(the_reaper = u.reaper AND elapsed >= '0', false);
    gap interval := CASE WHEN mine THEN elapsed ELSE wall END;
    step interval := '0';
    quiet interval := CASE WHEN u.reaper IS NULL THEN '0.5 s' ELSE '2 s' END;
    away boolean;
BEGIN
    u.due_at := instant;
    IF the_reaper IS NULL AND wall BETWEEN '0' AND quiet THEN
        RETURN u;
    END IF;
    away := (gap BETWEEN interval '-1 second'
        AND greatest(lease / 3, interval '3 seconds')) IS NOT TRUE;
    IF mine AND NOT away
        AND wall - gap NOT BETWEEN interval '-0.5 s' AND interval '0.5 s' THEN
        step := wall - gap;
    END IF;
    IF the_reaper IS NOT NULL
        AND gap < greatest(grace / 2, interval '2.5 seconds') THEN
        u.due_at := least(
            instant, instant - gap + interval '0.4 seconds');
    END IF;
    u.steady_since := CASE WHEN away THEN instant
        WHEN u.steady_since IS NOT NULL
            THEN least(u.steady_since + step, instant) END;
    u.stepped_at := CASE WHEN away OR step <> '0' THEN instant
        WHEN u.stepped_at IS NOT NULL THEN least(u.stepped_at, instant) END;
    IF coalesce(least(step, gap, wall) < interval '-0.5 s', false) THEN
        -- Repeated steps add up until the clock has caught up with the first.
        u.set_back := CASE WHEN u.back_from > instant THEN u.set_back
            ELSE '0' END + u.reaped_at - instant;
        u.back_from := greatest(u.back_from, u.reaped_at);
    END IF;
    UPDATE evtrack.upkeep o SET reaped_at = instant, reaper = the_reaper,
        steady_since = u.steady_since, stepped_at = u.stepped_at,
        due_at = u.due_at,
        back_from = u.back_from, set_back = u.set_back, workers = (SELECT count(*) FROM evtrack.worker w
            WHERE w.stopped_at IS NULL AND w.lost_at IS NULL);
    IF away OR step <> '0' OR the_reaper IS NOT NULL AND gap
        >= greatest(grace / 2, interval '2.5 seconds') THEN
        UPDATE evtrack.worker w SET
            -- A heartbeat may be from before the step or from after it.
            seen_at = least(w.seen_at + CASE WHEN w.seen_at > instant THEN step
                ELSE greatest(step, '0') END, instant),
            gone_at = CASE WHEN w.gone_at IS NULL THEN NULL
                WHEN step <> '0' THEN least(w.gone_at + step, instant)
                WHEN the_reaper IS NULL THEN least(w.gone_at, instant)
                ELSE instant END
        FROM (
            SELECT v.worker_id FROM evtrack.worker v
            WHERE v.stopped_at IS NULL AND v.lost_at IS NULL
            ORDER BY v.worker_id FOR NO KEY UPDATE SKIP LOCKED
        ) v
        WHERE w.worker_id = v.worker_id
            AND (w.gone_at IS NOT NULL OR step > '0' OR w.seen_at > instant);
    END IF;
    -- What marks of batches are left that ended otherwise.
    DELETE FROM evtrack.item_mark m
    WHERE (m.job_id, m.batch_no, m.ordinal) IN (
        SELECT o.job_id, o.batch_no, o.ordinal FROM evtrack.item_mark o
        WHERE o.begun_at < instant - interval '10 minutes'
            AND NOT EXISTS (
                SELECT FROM evtrack.job j
                JOIN evtrack.batch b ON b.job_day = j.job_day
                    AND b.job_id = j.job_id
                WHERE j.job_id = o.job_id AND b.batch_no = o.batch_no
                    AND b.status = 'running' AND b.attempt = o.attempt
            )
        FOR UPDATE SKIP LOCKED);
    RETURN u;
END $$;
