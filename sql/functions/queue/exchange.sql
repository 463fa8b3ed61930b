-- Report batches as completed and claim new ones, in one call: complete() and
-- claim() by one statement, whose events the fold takes in one step. Returns
-- the rejected reports, with their verdicts, and the claimed batches, without
-- any. The parameters are those of the two functions; without claim_jobs,
-- nothing is claimed.
-- This is what nearly every call needs. Retried batches are claimed by claim();
-- where there is more to consider (jobs of several days, a report that is late),
-- the two functions do it step by step.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.exchange(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], results text[] DEFAULT NULL,
    peak_rss_bytes bigint[] DEFAULT NULL, cpu_s float8[] DEFAULT NULL,
    claim_jobs bigint[] DEFAULT NULL, after integer[] DEFAULT NULL,
    max_fresh integer DEFAULT 0, handlers text[] DEFAULT NULL,
    max_returning integer DEFAULT 0, max_isolated integer DEFAULT NULL
) RETURNS TABLE (
    job_id bigint, job_day date, batch_no integer, attempt integer,
    handler text, item_count integer, ordinals text, losses smallint,
    policy jsonb, item_keys text, payload text, isolation evtrack.isolation,
    verdict text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    reported integer := coalesce(cardinality(job_ids), 0);
    is_alive boolean;
    day date;
    last_day date;
    low integer;
    claimed integer;
BEGIN
    -- As in claim(). A report shares the lock too, so that whoever takes the
    -- batches of this worker is not in the middle of it.
    SELECT w.lost_at IS NULL AND w.stopped_at IS NULL INTO is_alive
    FROM evtrack.worker w WHERE w.worker_id = the_worker FOR KEY SHARE;
    SELECT min(j.job_day), max(j.job_day),
        min(j.fresh_after) FILTER (WHERE j.job_id = claim_jobs[1])
    INTO day, last_day, low
    FROM evtrack.job j WHERE j.job_id = ANY(job_ids || claim_jobs);
    IF (is_alive AND day = last_day AND max_fresh >= 0
        AND max_returning >= 0 AND coalesce(max_isolated, 0) >= 0
        AND (reported > 0 OR max_returning + coalesce(max_isolated, 0) = 0)
        AND cardinality(claim_jobs) IS NOT DISTINCT FROM cardinality(exchange.after)
        AND cardinality(batch_nos) = reported
        AND cardinality(attempts) = reported
        AND 0 <= ALL(run_s) AND 1e15::float8 >= ALL(run_s)) IS TRUE
    THEN
        BEGIN
            RETURN QUERY
            SELECT e.*, NULL::text
            FROM evtrack.exchange_of_day(day, the_worker, job_ids, batch_nos,
                attempts, run_s, results, peak_rss_bytes, exchange.cpu_s,
                claim_jobs, exchange.after, max_fresh, handlers) e;
            GET DIAGNOSTICS claimed = ROW_COUNT;
        EXCEPTION WHEN SQLSTATE 'EV001' OR integrity_constraint_violation
        THEN
            NULL; -- a batch that this worker does not hold, or one listed twice
        END;
    END IF;
    IF claimed IS NOT NULL THEN
        IF exchange.after[1] > low + (
            CASE WHEN claimed < max_fresh THEN 100 ELSE 10000 END)
            -- There may be callers that always pass 0.
            OR exchange.after[1] <= low AND random() * 1000 < claimed
        THEN
            PERFORM evtrack.raise_marks(claim_jobs);
        END IF;
        IF max_returning + coalesce(max_isolated, 0) > 0 THEN
            RETURN QUERY
            SELECT c.*, NULL::text
            FROM evtrack.claim(the_worker, claim_jobs, exchange.after, 0,
                handlers, max_returning, max_isolated) c;
        END IF;
        RETURN;
    END IF;

    IF reported > 0 THEN
        RETURN QUERY
        SELECT c.job_id, NULL::date, c.batch_no, NULL::integer, NULL::text,
            NULL::integer, NULL::text, NULL::smallint, NULL::jsonb, NULL::text,
            NULL::text, NULL::evtrack.isolation, c.verdict
        FROM evtrack.complete(the_worker, job_ids, batch_nos, attempts, run_s,
            results, peak_rss_bytes, exchange.cpu_s) c
        WHERE c.verdict <> 'ok';
    END IF;
    IF cardinality(claim_jobs) > 0 THEN
        RETURN QUERY
        SELECT c.*, NULL::text
        FROM evtrack.claim(the_worker, claim_jobs, exchange.after, max_fresh,
            handlers, max_returning, max_isolated) c;
    END IF;
END $$;
