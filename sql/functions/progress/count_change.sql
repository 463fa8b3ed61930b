-- Count: so many batches of a job went from one status to another, or are new
-- (from null to pending), with so many items before and after. Beside the fold's
-- starts and completions, nothing else writes the counters of a job that runs. A session has a row of its own for
-- each ten seconds, so that nobody waits; once it is there, an UPDATE costs
-- half of an INSERT that meets a conflict. Returns the number of batches.
CREATE OR REPLACE FUNCTION evtrack.count_change(
    the_job bigint, before text, after text,
    batches bigint, items_before bigint, items_after bigint
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    now_bucket integer := evtrack.bucket();
    n bigint := batches;
BEGIN
    IF before = after THEN
        n := 0;
        items_after := items_after - items_before;
    END IF;
    IF before IS NULL THEN
        INSERT INTO evtrack.progress AS p (
            job_id, shard, bucket, pending_batches, pending_items)
        VALUES (the_job, pg_backend_pid(), now_bucket, n, items_after)
        ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
            pending_batches = p.pending_batches + excluded.pending_batches,
            pending_items = p.pending_items + excluded.pending_items;
        RETURN batches;
    END IF;
    LOOP
        UPDATE evtrack.progress p SET
            pending_batches = p.pending_batches + CASE 'pending'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            pending_items = p.pending_items + CASE 'pending' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            running_batches = p.running_batches + CASE 'running'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            running_items = p.running_items + CASE 'running' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            completed_batches = p.completed_batches + CASE 'completed'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            completed_items = p.completed_items + CASE 'completed' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            failed_batches = p.failed_batches + CASE 'failed'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            failed_items = p.failed_items + CASE 'failed' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            crashed_batches = p.crashed_batches + CASE 'crashed'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            crashed_items = p.crashed_items + CASE 'crashed' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            split_batches = p.split_batches + CASE 'split'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            split_items = p.split_items + CASE 'split' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END,
            cancelled_batches = p.cancelled_batches + CASE 'cancelled'
                WHEN after THEN n WHEN before THEN -n ELSE 0 END,
            cancelled_items = p.cancelled_items + CASE 'cancelled' WHEN after
                THEN items_after WHEN before THEN -items_before ELSE 0 END
        WHERE p.job_id = the_job AND p.shard = pg_backend_pid()
            AND p.bucket = now_bucket;
        EXIT WHEN FOUND;
        INSERT INTO evtrack.progress (job_id, shard, bucket)
        VALUES (the_job, pg_backend_pid(), now_bucket) ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN batches;
END $$;
