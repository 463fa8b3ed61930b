-- Take an alert that is due for this sink, and return it with the number of the
-- attempt, or no row. Nobody else takes it within the lease, in which the caller
-- must send it and call end_delivery(); if the caller dies, another watcher
-- takes it after the lease. What seems to be due far in the future is due now:
-- the clock was set back.
CREATE OR REPLACE FUNCTION evtrack.take_delivery(
    the_sink text, who text, lease interval
) RETURNS TABLE (
    alert_id bigint, kind text, severity text, job_id bigint, batch_no integer,
    facts jsonb, created_at timestamptz, attempt integer
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS (
        SELECT d.alert_id, d.sink
        FROM evtrack.delivery d
        WHERE d.sink = the_sink
            AND d.delivered_at IS NULL AND d.gave_up_at IS NULL
            AND EXISTS (
                SELECT FROM evtrack.alert a WHERE a.alert_id = d.alert_id)
            AND (d.retry_at <= clock_timestamp() OR d.retry_at
                > clock_timestamp() + d.pause + interval '1 minute')
        ORDER BY d.retry_at, d.alert_id LIMIT 1
        FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE evtrack.delivery d
        SET attempts = d.attempts + 1, taken_by = left(who, 200), pause = lease,
            retry_at = clock_timestamp() + lease
        FROM due
        WHERE d.alert_id = due.alert_id AND d.sink = due.sink
        RETURNING d.alert_id, d.attempts
    )
    SELECT a.alert_id, a.kind, a.severity, a.job_id, a.batch_no, a.facts,
        a.created_at, t.attempts
    FROM taken t JOIN evtrack.alert a ON a.alert_id = t.alert_id
$$;
