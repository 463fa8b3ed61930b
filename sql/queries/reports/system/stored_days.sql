-- The days that are stored, latest first: their size, and of the latest jobs, how many lie there and how many have not
-- ended, which pin their day.
WITH latest AS (
    SELECT
        job_id,
        job_day,
        phase
    FROM evtrack.job_state
    ORDER BY job_id DESC
    LIMIT (%(walk)s)
),

job AS (
    SELECT
        job_day,
        count(*) AS jobs,
        count(*) FILTER (WHERE phase NOT IN ('finished', 'cancelled')) AS unfinished,
        min(job_id) FILTER (WHERE phase NOT IN ('finished', 'cancelled')) AS pinned_by
    FROM latest
    GROUP BY job_day
)

SELECT
    d.job_day,
    d.bytes,
    j.pinned_by,
    coalesce(j.jobs, 0) AS jobs,
    coalesce(j.unfinished, 0) AS unfinished
FROM (
    SELECT
        to_date(right(c.relname, 8), 'YYYYMMDD') AS job_day,
        sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM pg_catalog.pg_inherits AS i
    INNER JOIN pg_catalog.pg_class AS p ON i.inhparent = p.oid
    INNER JOIN pg_catalog.pg_class AS c ON i.inhrelid = c.oid
    WHERE
        p.relnamespace = 'evtrack'::regnamespace
        AND p.relkind = 'p'
        AND c.relname ~ '^(event|batch|payload|result)_[0-9]{8}$'
    GROUP BY job_day
) AS d
LEFT JOIN job AS j ON d.job_day = j.job_day
WHERE j.jobs > 0 OR d.job_day <= (statement_timestamp() AT TIME ZONE 'UTC')::date
ORDER BY d.job_day DESC
LIMIT (%(limit)s)
