-- List the crashes of batches with certain items in hand, latest first. A crash of a handler of whole batches names the
-- item that it took last by its key alone, until the item has a batch of its own.
SELECT
    c.job_id,
    c.batch_no,
    c.attempt,
    c.at,
    c.cause,
    c.signal,
    c.exit_code,
    c.item_key,
    c.ordinal,
    c.worker,
    c.batch_status,
    c.fate,
    c.item_summary,
    c.poison,
    c.host,
    c.pid,
    c.run_s,
    c.cpu_s,
    c.peak_rss_bytes
FROM
    unnest(%(job_ids)s::bigint[], %(batch_nos)s::integer[], %(ordinals)s::bigint[], %(item_keys)s::text[])
        AS i (job_id, batch_no, ordinal, item_key)
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.crash AS x
        WHERE
            x.job_id = i.job_id AND x.batch_no = i.batch_no -- noqa: RF03
            AND (x.ordinal = i.ordinal OR (x.ordinal IS NULL AND x.item_key = i.item_key)) -- noqa: RF03
        ORDER BY x.attempt DESC
        LIMIT (%(limit)s)
    ) AS c
ORDER BY c.at DESC, c.job_id DESC, c.batch_no DESC
LIMIT (%(limit)s)
