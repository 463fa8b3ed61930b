-- Claim batches. The columns are in the order that slots expect.
SELECT
    c.job_id,
    c.batch_no,
    c.attempt,
    c.handler,
    c.ordinals,
    c.item_keys,
    c.payload,
    c.policy::text AS policy,
    nullif(c.isolation, 'none')::text AS isolation
FROM evtrack.claim(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(after)s::integer[],
    %(max_new)s::integer,
    %(handlers)s::text[],
    %(max_retried)s::integer,
    %(max_isolated)s::integer
) AS c
