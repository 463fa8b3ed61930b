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
'One row an alert: what people are told, and which watcher has told it. docs/alerts.md explains kinds and facts.';
COMMENT ON COLUMN evtrack.alert_status.delivered_at IS 'When a watcher wrote it; null while it waits for one.';
COMMENT ON COLUMN evtrack.alert_status.cleared_at IS
'Of a state that goes on (never_started, crash_rate_high, queue_deep): when it was seen to be over.';
COMMENT ON COLUMN evtrack.alert_status.subject IS 'What it concerns: job/batch, job, worker or handler.';
COMMENT ON COLUMN evtrack.alert_status.occasion IS
'Which time it is: the version of the event, the minute, the hour. Kind, subject and occasion are unique together.';
