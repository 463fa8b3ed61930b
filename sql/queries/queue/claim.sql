-- Take batches; the columns in the order in which a slot wants them.
SELECT
    c.job_id,
    c.batch_no,
    c.attempt,
    c.handler,
    c.ordinals,
    c.item_keys,
    c.payload,
    c.policy::text AS policy,
    c.losses
FROM evtrack.claim(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(after)s::integer[],
    %(max_fresh)s::integer,
    %(handlers)s::text[],
    %(max_returning)s::integer
) AS c
