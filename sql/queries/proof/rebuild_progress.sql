-- Make the progress counters add up to what the log says: add the difference to the current bucket, so that the
-- timeline before stays as it was.
SELECT
    evtrack.count_change(
        %(job_id)s::bigint, '', s.status::text, -- noqa: RF02
        (l.counters ->> (s.status || '_batches'))::bigint - k.batches, 0,
        (l.counters ->> (s.status || '_items'))::bigint - k.items
    )
FROM unnest(enum_range(NULL::evtrack.status)) AS s (status)
CROSS JOIN (SELECT %(counters)s::jsonb AS counters) AS l
CROSS JOIN
    LATERAL (
        SELECT
            coalesce(sum((to_jsonb(p) ->> (s.status || '_batches'))::bigint), 0)::bigint AS batches,
            coalesce(sum((to_jsonb(p) ->> (s.status || '_items'))::bigint), 0)::bigint AS items
        FROM evtrack.progress AS p
        WHERE p.job_id = %(job_id)s
    ) AS k
