-- Forget what is no part of the log and of no use any more: alerts that were
-- delivered, of jobs that are gone or of none, and workers that ended before
-- all that is kept. The owner calls it after a cleanup. Returns how many rows.
CREATE OR REPLACE FUNCTION evtrack.forget_old(
    ended_before timestamptz
) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH alert AS (
        -- What was never delivered waits for a watcher still. A state that
        -- still lasts has one row, or it would be told again.
        DELETE FROM evtrack.alert a
        WHERE a.delivered_at IS NOT NULL AND CASE
            WHEN a.job_id IS NOT NULL THEN NOT EXISTS (
                SELECT FROM evtrack.job j WHERE j.job_id = a.job_id)
            ELSE a.delivered_at < ended_before AND (
                a.cleared_at < ended_before
                OR a.kind NOT IN ('crash_rate_high', 'queue_deep')) END
        RETURNING 1
    ), storm AS (
        DELETE FROM evtrack.alert_storm s
        WHERE NOT EXISTS (SELECT FROM evtrack.job j WHERE j.job_id = s.job_id)
        RETURNING 1
    ), worker AS (
        -- An event names a worker only while that worker lives, so none of the
        -- days that stay knows those that had ended before.
        DELETE FROM evtrack.worker w
        WHERE coalesce(w.stopped_at, w.lost_at) < least(ended_before, (
            SELECT min(j.job_day) FROM evtrack.job j
        )::timestamp AT TIME ZONE 'UTC')
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM storm)
        + (SELECT count(*) FROM worker)
$$;
