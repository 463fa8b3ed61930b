-- Claim batches for a worker: from each listed job a share of max_fresh new
-- batches, in the order of their numbers and above `after`; and up to
-- max_returning retried batches that are due. Retried batches that must run
-- alone in their worker have a limit of their own, max_isolated; if it is null,
-- at most one of the retried batches is such a batch. Each limit holds for all
-- jobs together, also if these are of several days. Candidates are selected
-- without locks, then locked with SKIP LOCKED. The join with the job row makes a
-- suspension effective at once. item_keys and payload have one line per item,
-- in the order of `ordinals`.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.claim(
    the_worker bigint,
    job_ids bigint[],
    after integer[],
    max_fresh integer,
    handlers text[],
    max_returning integer DEFAULT 0,
    max_isolated integer DEFAULT NULL
) RETURNS TABLE (
    job_id bigint, job_day date, batch_no integer, attempt integer,
    handler text, item_count integer, ordinals text, losses smallint,
    policy jsonb, item_keys text, payload text, isolation evtrack.isolation
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    due_by timestamptz := statement_timestamp();
    n integer := greatest(cardinality(job_ids), 1);
    isolated_left integer := coalesce(max_isolated, least(max_returning, 1));
    retried_left integer := max_returning;
    passes text[];
    pass text;
    alone boolean;
    fresh_limit integer;
    retried_limit integer;
    claimed integer;
    total integer := 0;
    days date[];
    day date;
BEGIN
    -- A null limit would claim everything.
    IF (max_fresh >= 0 AND max_returning >= 0 AND cardinality(job_ids)
        IS NOT DISTINCT FROM cardinality(claim.after)) IS NOT TRUE THEN
        RAISE EXCEPTION 'max_fresh and max_returning must be 0 or greater, and '
            '`after` as long as job_ids; got %, %, and % for %',
            coalesce(max_fresh::text, 'null'),
            coalesce(max_returning::text, 'null'),
            coalesce(cardinality(claim.after), 0),
            coalesce(cardinality(job_ids), 0) USING ERRCODE = 'EV007';
    ELSIF max_isolated < 0 THEN
        RAISE EXCEPTION 'max_isolated must be 0 or greater, got %', max_isolated
            USING ERRCODE = 'EV007';
    END IF;
    -- Shared by the claims of this worker, and by its heartbeats; whoever takes
    -- its batches waits for it, or does so later. See reconcile() and reap().
    PERFORM FROM evtrack.worker w WHERE w.worker_id = the_worker FOR KEY SHARE;
    PERFORM evtrack.check_worker(the_worker);
    IF retried_left + isolated_left > 0 THEN
        due_by := evtrack.due_by();
    END IF;
    -- A day is a partition, and a plan for one partition starts much faster
    -- than one that could need them all.
    days := ARRAY(
        SELECT DISTINCT j.job_day FROM evtrack.job j
        WHERE j.job_id = ANY(job_ids));
    IF cardinality(days) > 1 THEN
        -- No day is always the first to use up the limits.
        days := ARRAY(SELECT d FROM unnest(days) d ORDER BY random());
    END IF;
    FOREACH day IN ARRAY days LOOP
        -- With several days, the retried batches of each are counted, as their
        -- limit holds for all days.
        passes := CASE WHEN cardinality(days) > 1 THEN '{retried,new}'
            ELSE '{mixed}' END;
        -- What must run alone has a turn of its own, where there is any.
        IF isolated_left > 0 AND evtrack.has_isolated(day, job_ids) THEN
            passes := ARRAY['isolated'] || passes;
        END IF;
        FOREACH pass IN ARRAY passes LOOP
            alone := pass = 'isolated';
            fresh_limit := CASE WHEN pass IN ('new', 'mixed') THEN max_fresh
                ELSE 0 END;
            retried_limit := CASE pass WHEN 'isolated' THEN isolated_left
                WHEN 'new' THEN 0 ELSE retried_left END;
            RETURN QUERY
            WITH open_job AS (
                SELECT j.job_id, j.handler, j.priority,
                    nullif(j.policy, '{}') AS policy,
                    greatest(l.after, j.fresh_after) AS after, l.place
                FROM unnest(job_ids, claim.after)
                    WITH ORDINALITY AS l (job_id, after, place)
                CROSS JOIN LATERAL (
                    SELECT j.* FROM evtrack.job j
                    WHERE j.job_id = l.job_id OFFSET 0
                ) j
                WHERE j.job_day = day AND NOT j.suspended
                    AND j.phase IN ('open', 'abandoned', 'sealed')
                    AND j.handler = ANY(handlers)
            ), due AS (
                SELECT o.job_id, o.handler, o.policy, r.batch_no, row_number() OVER (
                    ORDER BY o.priority DESC, r.run_at) AS place
                FROM open_job o
                CROSS JOIN LATERAL (
                    SELECT b.batch_no, b.run_at FROM evtrack.batch b
                    WHERE b.job_day = day AND b.job_id = o.job_id
                        AND b.run_at <= due_by AND (
                            b.run_at <= statement_timestamp()
                            OR coalesce(b.started_at, b.enqueued_at)
                                > statement_timestamp())
                        AND (b.isolation IN ('memory', 'exclusive')) = alone
                    ORDER BY b.run_at LIMIT retried_limit
                ) r
            ), held AS (
                -- The limit applies after the locks, so that this claim gets others
                -- in place of batches that another claim has locked.
                SELECT f.*, o.handler, o.policy
                FROM open_job o
                CROSS JOIN LATERAL (
                    SELECT b.job_id, b.batch_no, b.version, b.attempt,
                        b.item_count, b.ordinals, b.losses, b.isolation
                    FROM evtrack.batch b
                    WHERE b.job_day = day AND b.job_id = o.job_id AND b.fresh
                        AND b.batch_no > o.after
                    ORDER BY b.batch_no
                    LIMIT fresh_limit / n
                        + (o.place <= fresh_limit % n)::integer
                    FOR UPDATE SKIP LOCKED
                ) f
                UNION ALL
                SELECT r.*, d.handler, d.policy
                FROM due d
                CROSS JOIN LATERAL (
                    SELECT b.job_id, b.batch_no, b.version, b.attempt,
                        b.item_count, b.ordinals, b.losses, b.isolation
                    FROM evtrack.batch b
                    WHERE b.job_day = day AND b.job_id = d.job_id
                        AND b.batch_no = d.batch_no AND b.status = 'pending'
                    FOR UPDATE SKIP LOCKED
                ) r
                WHERE d.place <= retried_limit
            ), started AS (
                INSERT INTO evtrack.event (
                    job_day, job_id, batch_no, version, type, attempt, worker_id)
                SELECT day, h.job_id, h.batch_no, h.version + 1, 'started',
                    h.attempt + 1, the_worker
                FROM held h
            )
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
            ) i;
            GET DIAGNOSTICS claimed = ROW_COUNT;
            total := total + claimed;
            IF alone THEN
                isolated_left := isolated_left - claimed;
            END IF;
            IF pass = 'retried' OR (alone AND max_isolated IS NULL) THEN
                retried_left := retried_left - claimed;
            END IF;
            IF max_isolated IS NULL THEN
                isolated_left := least(isolated_left, retried_left);
            END IF;
        END LOOP;
    END LOOP;
    -- Whatever `after` says: there may be callers that always pass 0.
    IF random() * 1000 < total THEN
        PERFORM evtrack.raise_marks(job_ids);
    END IF;
END $$;
