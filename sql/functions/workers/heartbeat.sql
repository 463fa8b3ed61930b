-- Record that a worker is alive, and how many of its slots are busy. Returns
-- false if it was declared lost: its batches now belong to others, and it must
-- stop its slots. Call it from the session that holds the worker's lock, if
-- there is one; lock_pid, the pg_backend_pid() of the session that took it, saves
-- looking for it.
CREATE OR REPLACE FUNCTION evtrack.heartbeat(
    worker_id bigint, busy integer DEFAULT NULL, lock_pid integer DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF busy < 0 THEN
        RAISE EXCEPTION 'worker %: invalid number of busy slots: %', worker_id, busy
            USING ERRCODE = 'EV007', HINT = 'Pass a number from 0, or null.';
    END IF;
    UPDATE evtrack.worker w
    SET seen_at = clock_timestamp(), busy = coalesce(heartbeat.busy, w.busy),
        session_lock = CASE WHEN lock_pid IS NOT NULL
            THEN lock_pid = pg_backend_pid()
            ELSE evtrack.has_session_lock(
                hashtextextended('evtrack.worker', w.worker_id), true) END
    WHERE w.worker_id = heartbeat.worker_id
        AND w.lost_at IS NULL AND w.stopped_at IS NULL;
    IF FOUND THEN RETURN true; END IF;
    PERFORM evtrack.find_worker(worker_id);
    RETURN false;
END $$;
