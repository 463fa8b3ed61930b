-- List the next jobs of a day as the projection has them. `versions` is the number of events in their streams; `digest`
-- is their digest, for jobs that have had digests from the start. Uses a subquery per job, so that other jobs' batches
-- are not read, however few rows the statistics claim.
WITH job AS (
    SELECT
        j.*,
        coalesce(j.finished_at, j.cancelled_at) AS ended_at
    FROM evtrack.job AS j
    WHERE j.job_day = %(job_day)s::date AND j.job_id > %(after)s
    ORDER BY j.job_id
    LIMIT %(most)s
)

SELECT
    j.job_id,
    j.name,
    j.handler,
    j.phase::text AS phase,
    s.batches,
    s.items,
    j.invalid_count AS invalid,
    j.created_at,
    j.ended_at,
    j.batch_count,
    j.item_count,
    j.version + coalesce((
        SELECT sum(b.version)
        FROM evtrack.batch AS b
        WHERE b.job_day = j.job_day AND b.job_id = j.job_id
    ), 0)::bigint AS versions,
    CASE
        WHEN substring(coalesce(l.links, j.links) FROM 1 FOR 32) <> decode(repeat('00', 32), 'hex')
            THEN encode(evtrack.job_digest(j.job_id), 'hex')
    END AS digest
FROM job AS j
CROSS JOIN LATERAL evtrack.job_sums(j.job_id) AS s
LEFT JOIN evtrack.job_link AS l ON j.job_id = l.job_id AND l.first_version = 1
ORDER BY j.job_id
