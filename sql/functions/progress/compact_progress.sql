-- Merge a job's progress rows over all sessions, and its buckets to at most so
-- many spans, so that its sums and its timeline stay cheap. Spans are a power of
-- two of buckets wide, so that wider ones can take them in later; a merged row
-- stands in the last bucket of its span. Does not change the sums. The latest
-- buckets (`margin`) stay as they are, and in a span that has not passed only
-- sessions are merged: sessions write these, and the pace is computed from
-- them. A row that its session has not committed yet is left for the next time.
CREATE OR REPLACE FUNCTION evtrack.compact_progress(
    the_job bigint, spans integer DEFAULT 120, margin integer DEFAULT 0
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    until integer := evtrack.bucket() - margin;
    first integer := (
        SELECT min(p.bucket) FROM evtrack.progress p WHERE p.job_id = the_job);
    width integer := 1;
    merged bigint;
BEGIN
    WHILE until / width - first / width >= spans LOOP
        width := width * 2;
    END LOOP;
    WITH chosen AS (
        SELECT p.shard, p.bucket, t.target
        FROM evtrack.progress p
        CROSS JOIN LATERAL (
            SELECT p.bucket / width * width + width - 1 AS last
        ) s
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN margin = 0 THEN least(s.last, until)
                WHEN s.last < until THEN s.last
                ELSE p.bucket END AS target
        ) t
        WHERE p.job_id = the_job AND (margin = 0 OR p.bucket < until)
            AND (p.shard <> 0 OR p.bucket <> t.target)
        FOR UPDATE OF p SKIP LOCKED
    ), gone AS (
        DELETE FROM evtrack.progress p USING chosen c
        WHERE p.job_id = the_job AND p.shard = c.shard AND p.bucket = c.bucket
        RETURNING c.target, p.*
    ), kept AS (
        INSERT INTO evtrack.progress AS p
        SELECT the_job, 0, g.target,
            sum(g.pending_batches), sum(g.pending_items),
            sum(g.running_batches), sum(g.running_items),
            sum(g.completed_batches), sum(g.completed_items),
            sum(g.failed_batches), sum(g.failed_items),
            sum(g.crashed_batches), sum(g.crashed_items),
            sum(g.split_batches), sum(g.split_items),
            sum(g.cancelled_batches), sum(g.cancelled_items)
        FROM gone g GROUP BY g.target ORDER BY g.target
        ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
            pending_batches = p.pending_batches + excluded.pending_batches,
            pending_items = p.pending_items + excluded.pending_items,
            running_batches = p.running_batches + excluded.running_batches,
            running_items = p.running_items + excluded.running_items,
            completed_batches =
                p.completed_batches + excluded.completed_batches,
            completed_items = p.completed_items + excluded.completed_items,
            failed_batches = p.failed_batches + excluded.failed_batches,
            failed_items = p.failed_items + excluded.failed_items,
            crashed_batches = p.crashed_batches + excluded.crashed_batches,
            crashed_items = p.crashed_items + excluded.crashed_items,
            split_batches = p.split_batches + excluded.split_batches,
            split_items = p.split_items + excluded.split_items,
            cancelled_batches =
                p.cancelled_batches + excluded.cancelled_batches,
            cancelled_items = p.cancelled_items + excluded.cancelled_items
    )
    SELECT count(*) INTO merged FROM gone;
    RETURN merged;
END $$;
