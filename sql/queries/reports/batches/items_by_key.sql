-- Find items by their key over all jobs, the latest job first.
SELECT
    s.job_id,
    s.ordinal,
    s.item_key,
    s.status::text AS status,
    s.batch_no,
    s.attempt,
    s.error,
    s.path,
    s.line,
    s.started_at,
    s.finished_at,
    j.name AS job_name,
    j.handler,
    j.phase::text AS phase,
    j.job_day
FROM
    evtrack.items_before(
        %(key)s::text, %(before_job)s::bigint, %(before_ordinal)s::integer, -- noqa: RF02
        %(job_id)s::bigint, %(limit)s::integer -- noqa: RF02
    ) AS p
INNER JOIN evtrack.job_state AS j ON p.job_id = j.job_id
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.item_status AS i
        WHERE i.job_id = p.job_id AND i.ordinal = p.ordinal -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS s
ORDER BY s.job_id DESC, s.ordinal DESC
