-- Commit which items of suspects are done, and which begin.
SELECT
    m.job_id,
    m.batch_no,
    m.verdict
FROM evtrack.mark_items(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(done)s::integer[],
    %(lines)s::text[],
    %(in_hand)s::integer[],
    %(exclusive)s::boolean[]
) AS m
