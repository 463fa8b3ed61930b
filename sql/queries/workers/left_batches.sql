-- The items of the batches that a dead worker left.
SELECT
    l.job_id,
    l.batch_no,
    l.attempt,
    l.ordinals::text AS ordinals
FROM evtrack.left_batches(
    %(dead_worker)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[]
) AS l
