-- How many workers with a handler had a free slot at their last heartbeat, and
-- get notifications.
SELECT count(*) AS idle
FROM evtrack.worker_status AS w
WHERE
    w.stopped_at IS NULL AND w.lost_at IS NULL
    AND w.session_lock AND w.busy < w.slots
    AND w.handlers @> ARRAY[%(handler)s::text]
