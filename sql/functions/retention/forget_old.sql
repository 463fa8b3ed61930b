-- Delete rows outside the log that are no longer needed: delivered alerts of
-- dropped jobs or of no job, and workers that ended before every remaining job.
-- The owner calls it after a cleanup. Returns how many rows it deleted.
CREATE OR REPLACE FUNCTION evtrack.forget_old(
    ended_before timestamptz
) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH alert AS (
        -- Undelivered alerts still wait for a watcher or a sink. An ongoing
        -- condition keeps its row; otherwise it would be raised again.
        DELETE FROM evtrack.alert a
        WHERE a.delivered_at IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM evtrack.delivery d
                WHERE d.alert_id = a.alert_id
                    AND d.delivered_at IS NULL AND d.gave_up_at IS NULL)
            AND CASE
            WHEN a.job_id IS NOT NULL THEN NOT EXISTS (
                SELECT FROM evtrack.job j WHERE j.job_id = a.job_id)
            ELSE a.delivered_at < ended_before AND (
                a.cleared_at < ended_before
                OR a.kind NOT IN ('crash_rate_high', 'queue_deep',
                    'no_worker')) END
        RETURNING a.alert_id
    ), delivery AS (
        DELETE FROM evtrack.delivery d USING alert a
        WHERE d.alert_id = a.alert_id
    ), storm AS (
        DELETE FROM evtrack.alert_storm s
        WHERE NOT EXISTS (SELECT FROM evtrack.job j WHERE j.job_id = s.job_id)
        RETURNING 1
    ), worker AS (
        -- Events name a worker only while it lives, so no event of a remaining
        -- day names a worker that had ended before.
        DELETE FROM evtrack.worker w
        WHERE coalesce(w.stopped_at, w.lost_at) < least(ended_before, (
            SELECT min(j.job_day) FROM evtrack.job j
        )::timestamp AT TIME ZONE 'UTC')
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM storm)
        + (SELECT count(*) FROM worker)
$$;
