-- Merge a job's progress rows over all sessions, and its buckets to at most
-- 120, so that sums and timeline of an ended job stay cheap. Does not change
-- the sums.
CREATE OR REPLACE FUNCTION evtrack.compact_progress(the_job bigint)
RETURNS void
LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM evtrack.progress p WHERE p.job_id = the_job RETURNING p.*
    ), span AS (
        SELECT min(g.bucket) AS first,
            (max(g.bucket) - min(g.bucket)) / 120 + 1 AS width
        FROM gone g
    )
    INSERT INTO evtrack.progress
    SELECT the_job, 0, s.first + (g.bucket - s.first) / s.width * s.width,
        sum(g.pending_batches), sum(g.pending_items),
        sum(g.running_batches), sum(g.running_items),
        sum(g.completed_batches), sum(g.completed_items),
        sum(g.failed_batches), sum(g.failed_items),
        sum(g.crashed_batches), sum(g.crashed_items),
        sum(g.split_batches), sum(g.split_items),
        sum(g.cancelled_batches), sum(g.cancelled_items)
    FROM gone g CROSS JOIN span s
    GROUP BY 3
$$;
