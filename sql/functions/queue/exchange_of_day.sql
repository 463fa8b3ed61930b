-- exchange() for jobs of one day, if each reported batch is held as it says;
-- raises EV001 or the violation of a constraint if one is not. A function of its
-- own, since rows that a function has returned stay returned when it catches an
-- error.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.exchange_of_day(
    day date, the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], results text[],
    peak_rss_bytes bigint[], cpu_s float8[],
    claim_jobs bigint[], after integer[], max_fresh integer, handlers text[]
) RETURNS TABLE (
    job_id bigint, job_day date, batch_no integer, attempt integer,
    handler text, item_count integer, ordinals text, losses smallint,
    policy jsonb, item_keys text, payload text, isolation evtrack.isolation
)
LANGUAGE plpgsql AS $$
DECLARE
    n integer := greatest(cardinality(claim_jobs), 1);
    versions integer[];
    kept integer;
BEGIN
    -- Only the log could say that the version of a batch in its first attempt is
    -- another one, and then it refuses the event.
    IF (1 = ALL(attempts)) IS NOT TRUE THEN
        -- A late report of an earlier attempt locks its batches in this order,
        -- and only then writes to their streams.
        PERFORM FROM (
            SELECT g.job_id, g.batch_no
            FROM unnest(job_ids, batch_nos, attempts)
                AS g (job_id, batch_no, attempt)
            WHERE g.attempt IS DISTINCT FROM 1
            ORDER BY g.job_id, g.batch_no
        ) g
        CROSS JOIN LATERAL (
            SELECT FROM evtrack.batch b
            WHERE b.job_day = day AND b.job_id = g.job_id
                AND b.batch_no = g.batch_no
            FOR UPDATE
        ) b;
        versions := ARRAY(
            SELECT CASE g.attempt WHEN 1 THEN 2 ELSE coalesce((
                SELECT b.version FROM evtrack.batch b
                WHERE b.job_day = day AND b.job_id = g.job_id
                    AND b.batch_no = g.batch_no), 0) END
            FROM unnest(job_ids, batch_nos, attempts)
                AS g (job_id, batch_no, attempt));
    END IF;
    IF results IS NOT NULL THEN
        INSERT INTO evtrack.result (
            job_day, job_id, batch_no, ordinals, lines)
        SELECT day, g.job_id, g.batch_no, b.ordinals, g.lines
        FROM unnest(job_ids, batch_nos, attempts, results)
            AS g (job_id, batch_no, attempt, lines)
        CROSS JOIN LATERAL (
            SELECT b.ordinals FROM evtrack.batch b
            WHERE b.job_day = day AND b.job_id = g.job_id
                AND b.batch_no = g.batch_no AND b.attempt = g.attempt
                AND b.status = 'running'
            OFFSET 0
        ) b
        WHERE g.lines IS NOT NULL;
        GET DIAGNOSTICS kept = ROW_COUNT;
        IF kept < cardinality(array_remove(results, NULL)) THEN
            RAISE EXCEPTION USING ERRCODE = 'EV001';
        END IF;
    END IF;
    RETURN QUERY
    WITH held AS (
        SELECT f.*, o.handler, nullif(o.policy, '{}') AS policy
        FROM unnest(claim_jobs, exchange_of_day.after)
            WITH ORDINALITY AS l (job_id, after, place)
        CROSS JOIN LATERAL (
            SELECT j.* FROM evtrack.job j
            WHERE j.job_id = l.job_id OFFSET 0
        ) o
        CROSS JOIN LATERAL (
            SELECT b.job_id, b.batch_no, b.version, b.attempt,
                b.item_count, b.ordinals, b.losses, b.isolation
            FROM evtrack.batch b
            WHERE b.job_day = day AND b.job_id = o.job_id AND b.fresh
                AND b.batch_no > greatest(l.after, o.fresh_after)
            ORDER BY b.batch_no
            LIMIT max_fresh / n + (l.place <= max_fresh % n)::integer
            FOR UPDATE SKIP LOCKED
        ) f
        WHERE o.job_day = day AND NOT o.suspended
            AND o.phase IN ('open', 'abandoned', 'sealed')
            AND o.handler = ANY(handlers)
    ), appended AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version,
            type, attempt, worker_id, data)
        SELECT day, g.job_id, g.batch_no, coalesce(g.version, 2) + 1,
            'completed'::evtrack.event_type, g.attempt, the_worker,
            CASE WHEN g.peak IS NULL AND g.cpu_s IS NULL THEN
                CASE WHEN g.run_s IS NULL THEN '{}'
                    ELSE jsonb_build_object('run_s', g.run_s) END
            ELSE jsonb_strip_nulls(jsonb_build_object(
                'run_s', g.run_s, 'peak_rss_bytes',
                CASE WHEN g.peak >= 0 THEN g.peak END, 'cpu_s',
                CASE WHEN g.cpu_s BETWEEN 0 AND 1e15
                    THEN g.cpu_s END)) END
        FROM unnest(job_ids, batch_nos, attempts, versions, run_s,
            peak_rss_bytes, exchange_of_day.cpu_s) AS g (
            job_id, batch_no, attempt, version, run_s, peak, cpu_s)
        UNION ALL
        SELECT day, h.job_id, h.batch_no, h.version + 1, 'started',
            h.attempt + 1, the_worker, '{}'
        FROM held h
    )
    SELECT h.job_id, day, h.batch_no, h.attempt + 1, h.handler,
        h.item_count, h.ordinals::text, h.losses, h.policy,
        p.item_key, coalesce(p.payload, 'null'), h.isolation
    FROM held h
    LEFT JOIN LATERAL (
        SELECT p.item_key, p.payload FROM evtrack.payload p
        WHERE p.job_day = day AND p.job_id = h.job_id
            AND p.ordinal = lower(h.ordinals) OFFSET 0
    ) p ON true
    WHERE h.item_count = 1
    UNION ALL
    SELECT h.job_id, day, h.batch_no, h.attempt + 1, h.handler,
        h.item_count, h.ordinals::text, h.losses, h.policy,
        i.item_keys, i.payload, h.isolation
    FROM held h
    CROSS JOIN LATERAL (
        -- The ranges of a multirange are in order.
        SELECT string_agg(l.item_key, E'\n') AS item_keys,
            string_agg(coalesce(l.payload, 'null'), E'\n') AS payload
        FROM unnest(h.ordinals) r
        CROSS JOIN LATERAL (
            SELECT p.item_key, p.payload FROM evtrack.payload p
            WHERE p.job_day = day AND p.job_id = h.job_id
                AND p.ordinal >= lower(r) AND p.ordinal < upper(r)
            ORDER BY p.ordinal
        ) l
    ) i
    WHERE h.item_count <> 1;
END $$;
