-- A job's batches and items by status, as jsonb without the zeros; how many
-- batches are open.
CREATE OR REPLACE FUNCTION evtrack.job_sums(
    the_job bigint, OUT batches jsonb, OUT items jsonb, OUT open bigint
)
LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(jsonb_object_agg(s.status, s.batches)
            FILTER (WHERE s.batches <> 0), '{}'),
        coalesce(jsonb_object_agg(s.status, s.items)
            FILTER (WHERE s.items <> 0), '{}'),
        coalesce(sum(s.batches)
            FILTER (WHERE s.status IN ('pending', 'running')), 0)::bigint
    FROM (
        SELECT v.status, sum(v.batches) AS batches, sum(v.items) AS items
        FROM evtrack.progress p
        CROSS JOIN LATERAL (VALUES
            ('pending', p.pending_batches, p.pending_items),
            ('running', p.running_batches, p.running_items),
            ('completed', p.completed_batches, p.completed_items),
            ('failed', p.failed_batches, p.failed_items),
            ('crashed', p.crashed_batches, p.crashed_items),
            ('split', p.split_batches, p.split_items),
            ('cancelled', p.cancelled_batches, p.cancelled_items)
        ) AS v (status, batches, items)
        WHERE p.job_id = the_job
        GROUP BY v.status
    ) s
$$;
