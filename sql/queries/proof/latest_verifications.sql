-- The latest verification of each of these jobs.
SELECT
    v.job_id,
    v.at,
    v.by,
    v.outcome,
    v.events,
    v.difference_count,
    v.differences,
    v.digest
FROM unnest(%(job_ids)s::bigint[]) AS j (job_id)
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.job_verification AS l
        WHERE l.job_id = j.job_id -- noqa: RF03
        ORDER BY l.at DESC
        LIMIT 1
    ) AS v
