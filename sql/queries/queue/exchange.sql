-- Report completed batches and claim others; return claimed batches and rejected
-- reports. The columns of a claimed batch are in the order that slots expect. The
-- results of all batches come as one text, separated by a character that JSON
-- cannot contain: that is cheaper to write and to parse than the quotes of an
-- array.
SELECT
    e.verdict,
    e.job_id,
    e.batch_no,
    e.attempt,
    e.handler,
    e.ordinals,
    e.item_keys,
    e.payload,
    e.policy::text AS policy,
    nullif(e.isolation, 'none')::text AS isolation
FROM evtrack.exchange(
    %(worker_id)s::bigint,
    %(job_ids)s::bigint[],
    %(batch_nos)s::integer[],
    %(attempts)s::integer[],
    %(run_s)s::float8[],
    string_to_array(%(results)s::text, E'\x1e', ''),
    %(peak_rss_bytes)s::bigint[],
    %(cpu_s)s::float8[],
    %(claim_jobs)s::bigint[],
    %(after)s::integer[],
    %(max_new)s::integer,
    %(handlers)s::text[],
    %(max_retried)s::integer,
    %(max_isolated)s::integer
) AS e
