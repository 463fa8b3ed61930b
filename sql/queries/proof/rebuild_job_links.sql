-- Replace the digests outside the job's row, in windows as the fold creates them.
WITH part AS (
    SELECT
        32 * w.n + 1 AS first_version,
        substring(%(links)s::bytea FROM 1024 * w.n + 1 FOR 1024) AS links
    FROM generate_series(0, (octet_length(%(links)s::bytea) - 1) / 1024 - 1) AS w (n)
),

gone AS (
    DELETE FROM evtrack.job_link AS l
    WHERE
        l.job_id = %(job_id)s
        AND NOT EXISTS (
            SELECT 1 FROM part AS p
            WHERE p.first_version = l.first_version
        )
)

INSERT INTO evtrack.job_link (job_id, first_version, links)
SELECT
    %(job_id)s,
    p.first_version,
    p.links
FROM part AS p
ON CONFLICT (job_id, first_version) DO UPDATE SET links = excluded.links
