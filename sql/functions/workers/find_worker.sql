-- Return a worker's row. Raises EV003 if there is no such worker.
CREATE OR REPLACE FUNCTION evtrack.find_worker(the_worker bigint)
RETURNS evtrack.worker
LANGUAGE plpgsql AS $$
DECLARE
    w evtrack.worker;
BEGIN
    SELECT * INTO w FROM evtrack.worker WHERE worker_id = the_worker;
    IF FOUND THEN RETURN w; END IF;
    RAISE EXCEPTION 'no such worker: %', coalesce(the_worker::text, 'null')
        USING ERRCODE = 'EV003', HINT = 'Call register_worker first.';
END $$;
