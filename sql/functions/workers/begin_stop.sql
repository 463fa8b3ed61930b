-- Record that a worker was asked to stop. If it is killed before it has
-- returned its batches, that is no crash: see lose().
CREATE OR REPLACE FUNCTION evtrack.begin_stop(the_worker bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.find_worker(the_worker);
    UPDATE evtrack.worker w SET stopping_at = clock_timestamp()
    WHERE w.worker_id = the_worker AND w.stopping_at IS NULL
        AND w.lost_at IS NULL AND w.stopped_at IS NULL;
END $$;
