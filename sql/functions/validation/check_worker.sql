-- Raise EV003 unless the worker is registered, EV006 if it has stopped or was
-- declared lost.
CREATE OR REPLACE FUNCTION evtrack.check_worker(the_worker bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    w evtrack.worker := evtrack.find_worker(the_worker);
BEGIN
    IF w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL THEN
        RAISE EXCEPTION 'worker % % at %', the_worker,
            CASE WHEN w.lost_at IS NULL THEN 'stopped'
                ELSE 'was declared lost' END,
            coalesce(w.lost_at, w.stopped_at)
            USING ERRCODE = 'EV006',
            HINT = 'Stop its slots and register again.';
    END IF;
END $$;
