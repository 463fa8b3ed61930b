CREATE OR REPLACE VIEW evtrack.alert_status AS
SELECT -- noqa: ST06
    a.alert_id,
    a.kind,
    a.severity,
    a.job_id,
    a.batch_no,
    a.created_at,
    a.delivered_at,
    a.delivered_by,
    a.cleared_at,
    a.facts,
    a.subject,
    a.occasion
FROM evtrack.alert AS a;

COMMENT ON VIEW evtrack.alert_status IS
'One row per alert: its content, and which watcher delivered it. docs/alerts.md explains kinds and facts.';
COMMENT ON COLUMN evtrack.alert_status.delivered_at IS 'When a watcher delivered it; null while it is undelivered.';
COMMENT ON COLUMN evtrack.alert_status.cleared_at IS
'For an ongoing condition (no_worker, never_started, crash_rate_high, queue_deep): when it was found to be over.';
COMMENT ON COLUMN evtrack.alert_status.subject IS 'What it is about: job/batch, job, worker or handler.';
COMMENT ON COLUMN evtrack.alert_status.occasion IS
'What tells repeated alerts apart: the version of the event, the minute or the hour. Unique with kind and subject.';
