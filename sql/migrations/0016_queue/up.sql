-- New batches are found by the primary key, above a low-water mark of their job.
-- Without an index on a column that a start changes, starts are HOT updates.
-- least-code: 0.1.0

-- No batch up to this number is new. It is lower than need be at most: searches
-- for new batches begin above it. Not a fact of the log.
ALTER TABLE evtrack.job ADD COLUMN fresh_after integer NOT NULL DEFAULT 0;

-- No batch is born meanwhile.
LOCK TABLE evtrack.batch IN ACCESS EXCLUSIVE MODE;
UPDATE evtrack.job AS j SET
    fresh_after = coalesce((
        SELECT b.batch_no - 1 FROM evtrack.batch AS b
        WHERE
            b.job_day = j.job_day AND b.job_id = j.job_id AND b.fresh
        ORDER BY b.batch_no + 0
        LIMIT 1
    ), j.batch_count)
WHERE j.phase IN ('open', 'abandoned', 'sealed');

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
