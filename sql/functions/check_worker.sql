-- Raise EV006 unless the worker is registered, not stopped and not lost.
CREATE OR REPLACE FUNCTION evtrack.check_worker(the_worker bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    w evtrack.worker;
BEGIN
    SELECT * INTO w FROM evtrack.worker WHERE worker_id = the_worker;
    IF w.worker_id IS NULL THEN
        RAISE EXCEPTION 'there is no worker %', the_worker
            USING ERRCODE = 'EV003', HINT = 'Call register_worker first.';
    ELSIF w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL THEN
        RAISE EXCEPTION 'worker % % at %', the_worker,
            CASE WHEN w.lost_at IS NULL THEN 'stopped'
                ELSE 'was declared lost' END,
            coalesce(w.lost_at, w.stopped_at)
            USING ERRCODE = 'EV006',
            HINT = 'Stop its slots and register anew.';
    END IF;
END $$;
