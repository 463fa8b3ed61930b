-- New batches are found by the primary key, above a low-water mark of their job.
-- Without an index on a column that a start changes, starts are HOT updates.
-- least-code: 0.1.0

-- No batch up to this number is new. It is lower than need be at most: searches
-- for new batches begin above it. Not a fact of the log.
ALTER TABLE evtrack.job ADD COLUMN fresh_after integer NOT NULL DEFAULT 0;

DROP INDEX evtrack.batch_fresh;

-- See make_partitions().
DO $$
DECLARE
    place text;
BEGIN
    FOR place IN
        SELECT h.inhrelid::regclass::text
        FROM pg_inherits h
        WHERE h.inhparent = 'evtrack.batch'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 38)', place);
    END LOOP;
END $$;
