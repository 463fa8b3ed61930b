-- List hunts, of all jobs or of one: submitted batches with one of the latest crashes; or only those under way, whose
-- suspects, or some of them, still run or wait to run again.
WITH latest AS (
    SELECT
        c.job_id,
        coalesce(b.root_no, b.batch_no) AS root_no,
        count(*) AS crashes,
        max(c.at) AS last_at
    FROM evtrack.crashes_before(the_job => %(job_id)s::bigint, most => %(walk)s::integer) AS c -- noqa: RF02
    CROSS JOIN
        LATERAL (
            SELECT
                s.batch_no,
                s.root_no
            FROM evtrack.batch_status AS s
            WHERE s.job_id = c.job_id AND s.batch_no = c.batch_no
            LIMIT 1 -- noqa: AM09
        ) AS b
    GROUP BY c.job_id, coalesce(b.root_no, b.batch_no)
    ORDER BY last_at DESC
    LIMIT (%(roots)s)
)

SELECT
    l.job_id,
    l.root_no,
    j.name AS job_name,
    j.handler,
    t.item_count,
    t.suspects,
    t.suspect_batches,
    l.crashes,
    t.poison,
    t.poison_keys,
    l.last_at
FROM latest AS l
INNER JOIN evtrack.job_state AS j ON l.job_id = j.job_id
CROSS JOIN
    LATERAL (
        SELECT
            -- A batch that was split keeps its count, and its items are in others.
            coalesce(sum(n.item_count) FILTER (WHERE n.status <> 'split'), 0)::bigint AS item_count,
            coalesce(sum(n.item_count) FILTER (WHERE n.suspect), 0)::bigint AS suspects,
            count(*) FILTER (WHERE n.suspect) AS suspect_batches,
            count(*) FILTER (WHERE n.poison) AS poison,
            coalesce((array_agg(n.poison_key) FILTER (WHERE n.poison))[1:5], '{}') AS poison_keys
        FROM (
            SELECT -- noqa: ST06
                m.item_count,
                m.status,
                m.status = 'crashed' AND m.item_count = 1 AS poison,
                m.poison_key,
                -- A batch made of items that raised an error counts it; one made of suspects need not have crashed.
                m.status IN ('pending', 'running')
                AND (m.crashes + m.losses > 0 OR m.isolation <> 'none' OR m.is_derived AND m.errors = 0) AS suspect
            FROM (
                SELECT
                    r.item_count,
                    r.crashes,
                    r.losses,
                    r.status,
                    r.isolation,
                    r.errors,
                    CASE WHEN r.status = 'crashed' AND r.item_count = 1 THEN r.item_summary END AS poison_key,
                    false AS is_derived
                FROM evtrack.batch_status AS r
                WHERE r.job_id = l.job_id AND r.batch_no = l.root_no
                UNION ALL
                (
                    SELECT
                        d.item_count,
                        d.crashes,
                        d.losses,
                        d.status,
                        d.isolation,
                        d.errors,
                        CASE WHEN d.status = 'crashed' AND d.item_count = 1 THEN d.item_summary END AS poison_key,
                        true AS is_derived
                    FROM evtrack.batch_status AS d
                    WHERE d.job_id = l.job_id AND d.root_no = l.root_no
                    ORDER BY d.batch_no DESC
                    LIMIT 200
                )
            ) AS m
        ) AS n
    ) AS t
WHERE NOT %(under_way)s OR j.phase <> 'finished' AND t.suspect_batches > 0 -- noqa: RF02
ORDER BY l.last_at DESC
LIMIT (%(limit)s)
