-- Lock the oldest undelivered alerts for the caller's transaction, which writes
-- them, calls mark_alerts() and commits. Alerts that another watcher has locked
-- are skipped.
CREATE OR REPLACE FUNCTION evtrack.take_alerts(most integer DEFAULT 100)
RETURNS TABLE (
    alert_id bigint, kind text, subject text, severity text, job_id bigint,
    batch_no integer, facts jsonb, created_at timestamptz
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.alert_id, a.kind, a.subject, a.severity, a.job_id, a.batch_no,
        a.facts, a.created_at
    FROM evtrack.alert a WHERE a.delivered_at IS NULL
    ORDER BY a.alert_id LIMIT most FOR UPDATE SKIP LOCKED
$$;
