CREATE OR REPLACE VIEW evtrack.worker_status AS
SELECT -- noqa: ST06
    w.worker_id,
    w.name,
    CASE
        WHEN w.stopped_at IS NOT NULL THEN 'stopped'
        WHEN w.lost_at IS NOT NULL THEN 'lost'
        WHEN w.seen_at < statement_timestamp() - interval '30 seconds' THEN 'silent'
        ELSE 'alive'
    END AS state,
    w.host,
    w.pid,
    w.handlers,
    w.slots,
    w.busy,
    w.version,
    w.started_at,
    w.seen_at,
    w.stopped_at,
    w.lost_at,
    round(extract(EPOCH FROM statement_timestamp() - w.seen_at)::numeric, 1)::double precision AS silent_s,
    CASE WHEN w.stopped_at IS NULL AND w.lost_at IS NULL THEN w.in_hand END AS in_hand,
    w.session_lock
FROM evtrack.worker AS w;

COMMENT ON VIEW evtrack.worker_status IS
'One row per worker: alive, silent (no heartbeat for 30 s), lost (declared dead, its batches requeued) or stopped.';
COMMENT ON COLUMN evtrack.worker_status.busy IS 'Busy slots at the last heartbeat.';
COMMENT ON COLUMN evtrack.worker_status.version IS 'The evtrack version that the worker runs.';
COMMENT ON COLUMN evtrack.worker_status.silent_s IS 'Seconds since the last heartbeat.';
COMMENT ON COLUMN evtrack.worker_status.in_hand IS
'What its slots reported to have in hand for over a second, as an array of objects; running_item shows it in rows.';
COMMENT ON COLUMN evtrack.worker_status.session_lock IS
'Whether its session holds a lock, by which its end is noticed; not behind a pooler, where it is not notified either.';
