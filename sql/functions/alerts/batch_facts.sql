-- Return the facts for an alert about a batch that crashed or failed: its items
-- at that time (`moved` have left since), its worker and the cause. All texts
-- are bounded, and none may hold a payload. Values of unexpected types are left
-- out: an alert must never keep an event out of the log.
CREATE OR REPLACE FUNCTION evtrack.batch_facts(
    the_day date, the_job bigint, the_batch integer, the_worker bigint,
    the_attempt integer, data jsonb, moved int4multirange
) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'attempt', the_attempt,
        'items', evtrack.item_summary(the_day, the_job, h.items),
        'item_count', evtrack.item_count(h.items),
        'worker_id', the_worker, 'worker', left(w.name, 200), 'host', w.host,
        'cause', left(data ->> 'cause', 100),
        'signal', left(data ->> 'signal', 100),
        'item_key', left(data ->> 'item_key', 200),
        'crashes', CASE WHEN data -> 'cause' IS NOT NULL
            THEN b.crashes + b.exclusive_losses END,
        'error_type', left(data #>> '{error,type}', 200),
        'error', left(data #>> '{error,message}', 300),
        'fingerprint', CASE WHEN data -> 'error' IS NOT NULL
            THEN evtrack.fingerprint_of(data -> 'error') END
    ) || coalesce((
        SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(data) d
        WHERE d.key IN ('exit_code', 'ordinal', 'pid', 'run_s')
            AND jsonb_typeof(d.value) = 'number'
    ), '{}'))
    FROM evtrack.batch b
    CROSS JOIN LATERAL (
        SELECT b.ordinals + coalesce(moved, '{}') AS items
    ) h
    LEFT JOIN evtrack.worker w ON w.worker_id = the_worker
    WHERE b.job_day = the_day AND b.job_id = the_job
        AND b.batch_no = the_batch
$$;
