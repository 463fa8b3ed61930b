-- Record that reap() is called now, and return since when the server's clock has
-- run steadily. Two calls that are further apart than a third of the lease, but
-- at least 3 seconds, show that it stepped, or that nobody called: in both cases
-- the age of a heartbeat says nothing. The row is written twice a second at
-- most. When the clock was set back, times that it would reach again only later
-- are set back too. Called only by evtrack.reap(), one call at a time.
CREATE OR REPLACE FUNCTION evtrack.steady_since(
    instant timestamptz, lease interval
) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    u evtrack.upkeep;
    most interval := greatest(lease / 3, interval '3 seconds');
    stepped boolean;
BEGIN
    SELECT * INTO u FROM evtrack.upkeep;
    stepped := coalesce(instant - u.reaped_at NOT BETWEEN -most AND most, true);
    IF NOT stepped AND instant - u.reaped_at
        BETWEEN interval '0' AND interval '0.5 seconds' THEN
        RETURN u.steady_since;
    END IF;
    UPDATE evtrack.upkeep o SET reaped_at = instant,
        steady_since = CASE WHEN stepped THEN instant
            ELSE o.steady_since END
    RETURNING o.steady_since INTO u.steady_since;
    IF stepped AND instant < u.reaped_at THEN
        UPDATE evtrack.worker w SET seen_at = least(w.seen_at, instant),
            gone_at = least(w.gone_at, instant)
        WHERE w.stopped_at IS NULL AND w.lost_at IS NULL
            AND greatest(w.seen_at, w.gone_at) > instant;
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
    RETURN u.steady_since;
END $$;
