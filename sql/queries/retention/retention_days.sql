-- List the whole days before a time, oldest first, with their contents. `pins` counts the jobs that pin a day;
-- `pinned_by` is the first of them, and `pin` the reason: its phase, `running` or `ended lately`.
WITH cutoff AS (
    SELECT
        %(ended_before)s::timestamptz AS at,
        (%(ended_before)s::timestamptz AT TIME ZONE 'UTC')::date AS first_kept
),

part AS (
    SELECT
        c.oid,
        to_date(right(c.relname, 8), 'YYYYMMDD') AS job_day
    FROM pg_catalog.pg_inherits AS i
    INNER JOIN pg_catalog.pg_class AS c ON i.inhrelid = c.oid
    WHERE
        i.inhparent = any(ARRAY['evtrack.event', 'evtrack.batch', 'evtrack.payload', 'evtrack.result']::regclass[])
        AND c.relname ~ '^(event|batch|payload|result)_[0-9]{8}$'
),

day AS (
    SELECT
        p.job_day,
        sum(pg_total_relation_size(p.oid))::bigint AS bytes
    FROM part AS p
    INNER JOIN cutoff AS c ON p.job_day < c.first_kept
    GROUP BY p.job_day
),

job AS (
    SELECT
        j.job_day,
        j.job_id,
        j.batch_count,
        j.item_count,
        j.version + l.versions AS events,
        CASE
            WHEN j.phase NOT IN ('finished', 'cancelled') THEN j.phase::text
            WHEN s.open > 0 THEN 'running'
            WHEN greatest(j.finished_at, j.cancelled_at) >= c.at THEN 'ended lately'
            -- Batches that were running at the cancellation ended later.
            WHEN j.phase = 'cancelled' AND l.at >= c.at THEN 'ended lately'
        END AS pin
    FROM evtrack.job AS j
    INNER JOIN cutoff AS c ON j.job_day < c.first_kept
    CROSS JOIN LATERAL evtrack.job_sums(j.job_id) AS s
    CROSS JOIN
        LATERAL (
            SELECT
                coalesce(sum(b.version), 0) AS versions,
                max(b.finished_at) AS at
            FROM evtrack.batch AS b
            WHERE
                b.job_day = j.job_day AND b.job_id = j.job_id
                AND (%(counted)s OR j.phase = 'cancelled') -- noqa: RF02
        ) AS l
)

SELECT -- noqa: ST06
    d.job_day,
    count(j.job_id) AS jobs,
    coalesce(sum(j.batch_count), 0)::bigint AS batches,
    coalesce(sum(j.item_count), 0)::bigint AS items,
    CASE WHEN %(counted)s THEN coalesce(sum(j.events), 0)::bigint END AS events, -- noqa: RF02
    d.bytes,
    count(j.pin) AS pins,
    min(j.job_id) FILTER (WHERE j.pin IS NOT NULL) AS pinned_by,
    (array_agg(j.pin ORDER BY j.job_id) FILTER (WHERE j.pin IS NOT NULL))[1] AS pin
FROM day AS d
LEFT JOIN job AS j ON d.job_day = j.job_day
GROUP BY d.job_day, d.bytes
ORDER BY d.job_day
