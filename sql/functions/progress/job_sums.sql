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
    FROM evtrack.counted_job j
    CROSS JOIN LATERAL (VALUES
        ('pending', j.pending_batches, j.pending_items),
        ('running', j.running_batches, j.running_items),
        ('completed', j.completed_batches, j.completed_items),
        ('failed', j.failed_batches, j.failed_items),
        ('crashed', j.crashed_batches, j.crashed_items),
        ('split', j.split_batches, j.split_items),
        ('cancelled', j.cancelled_batches, j.cancelled_items)
    ) AS s (status, batches, items)
    WHERE j.job_id = the_job
$$;
