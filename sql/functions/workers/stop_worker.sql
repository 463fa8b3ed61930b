-- Record that a worker stopped normally. It must not hold any batch.
CREATE OR REPLACE FUNCTION evtrack.stop_worker(worker_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.find_worker(worker_id);
    UPDATE evtrack.worker w SET stopped_at = clock_timestamp(), busy = 0
    WHERE w.worker_id = stop_worker.worker_id
        AND w.lost_at IS NULL AND w.stopped_at IS NULL;
END $$;
