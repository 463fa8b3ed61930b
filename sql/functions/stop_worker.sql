-- Say that a worker ended in good order. It must hold no batch any more.
CREATE OR REPLACE FUNCTION evtrack.stop_worker(worker_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE evtrack.worker w SET stopped_at = clock_timestamp(), busy = 0
    WHERE w.worker_id = stop_worker.worker_id
        AND w.lost_at IS NULL AND w.stopped_at IS NULL
$$;
