-- Items move to batches derived from the same submitted batch; the latest one that has the ordinal holds the item.
-- This takes one probe of the index on (job, root) per item: a look-up for one key, linear for a whole job.
-- The error of a batch of several items is that of the first that failed, so each item's own is read from the event:
-- only for items of batches that have failed.
-- OFFSET 0: see docs/planner.md.
CREATE OR REPLACE VIEW evtrack.item_status AS
SELECT -- noqa: ST06
    p.job_id,
    p.ordinal,
    p.item_key,
    b.status,
    b.batch_no,
    b.attempt,
    CASE
        WHEN b.status = 'completed' OR b.error IS NULL THEN NULL
        WHEN b.errors = 0 OR b.item_count = 1 THEN b.error
        ELSE
            coalesce(
                (
                    SELECT left(i.item ->> 'message', 300)
                    FROM (
                        SELECT e.data #> '{error,items}' AS items
                        FROM evtrack.event AS e
                        WHERE
                            e.job_day = p.job_day AND e.job_id = p.job_id AND e.batch_no = b.batch_no
                            AND e.type IN ('failed', 'crashed')
                        ORDER BY e.version DESC
                        LIMIT 1
                    ) AS l
                    CROSS JOIN
                        jsonb_path_query(
                            l.items, '$[*] ? (@.ordinal == $ordinal)', jsonb_build_object('ordinal', p.ordinal), true
                        ) WITH ORDINALITY AS i (item, place)
                    ORDER BY i.place
                    LIMIT 1
                ),
                b.error
            )
    END AS error,
    (
        WITH RECURSIVE up AS (
            SELECT
                b.batch_no,
                b.parent_no,
                1 AS depth
            UNION ALL
            SELECT
                a.batch_no,
                a.parent_no,
                up.depth + 1 AS depth
            FROM up
            CROSS JOIN
                LATERAL (
                    SELECT
                        o.batch_no,
                        o.parent_no
                    FROM evtrack.batch AS o
                    WHERE o.job_day = p.job_day AND o.job_id = p.job_id AND o.batch_no = up.parent_no
                    LIMIT 1 -- noqa: AM09
                ) AS a
            WHERE up.depth < 1000
        )

        SELECT array_agg(up.batch_no ORDER BY up.depth DESC) AS path FROM up
    ) AS path,
    p.line,
    b.worker_id,
    b.started_at,
    b.finished_at
FROM evtrack.job AS j
INNER JOIN evtrack.payload AS p ON j.job_day = p.job_day AND j.job_id = p.job_id
CROSS JOIN
    LATERAL (
        SELECT
            h.batch_no,
            h.parent_no,
            h.status,
            h.attempt,
            h.error,
            h.errors,
            h.item_count,
            h.worker_id,
            h.started_at,
            h.finished_at
        FROM evtrack.batch AS h
        WHERE
            h.job_day = p.job_day
            AND h.job_id = p.job_id
            AND h.batch_no = coalesce(
                (
                    SELECT max(d.batch_no)
                    FROM evtrack.batch AS d
                    WHERE
                        d.job_day = p.job_day
                        AND d.job_id = p.job_id
                        AND d.root_no = p.batch_no
                        AND d.ordinals @> p.ordinal
                ),
                p.batch_no
            )
        OFFSET 0 -- noqa: AM09
    ) AS b;

COMMENT ON VIEW evtrack.item_status IS
'One row per item: the batch that holds it now, and so its status. Filter by job_id and item_key (by index), or by '
'job_id for all items of a job.';
COMMENT ON COLUMN evtrack.item_status.ordinal IS 'The item''s place among the valid items of the source, from 1.';
COMMENT ON COLUMN evtrack.item_status.item_key IS
'The identifier that users know, for example PubMed:8528200. Not unique: a source may repeat a document.';
COMMENT ON COLUMN evtrack.item_status.batch_no IS 'The batch that holds the item now.';
COMMENT ON COLUMN evtrack.item_status.path IS
'The batches that have held the item, from the submitted one to the current one.';
COMMENT ON COLUMN evtrack.item_status.line IS 'The line in its file; null if the source has no lines.';
COMMENT ON COLUMN evtrack.item_status.error IS
'Its own last error, in one line, if its handler works item by item; else the last error or crash of the batch that '
'holds it. Null once it is completed.';
