-- List the crashes of batches with certain items in hand, latest first.
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
FROM unnest(%(job_ids)s::bigint[], %(batch_nos)s::integer[], %(ordinals)s::bigint[]) AS i (job_id, batch_no, ordinal)
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.crash AS x
        WHERE x.job_id = i.job_id AND x.batch_no = i.batch_no AND x.ordinal = i.ordinal -- noqa: RF03
        ORDER BY x.at DESC
        LIMIT (%(limit)s)
    ) AS c
ORDER BY c.at DESC, c.job_id DESC, c.batch_no DESC
LIMIT (%(limit)s)
