-- Return the jobs that a worker with these handlers may claim from, most urgent
-- first: open jobs that have new batches (`mark`, the low-water mark, is the
-- lowest number among them) or retried batches that are due; `isolated` is
-- whether any of these must run alone in its worker. The search in known jobs
-- starts at their known low-water marks, because no new batch ever appears
-- below them.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.claimable(
    handlers text[],
    known_jobs bigint[] DEFAULT '{}',
    known_marks integer[] DEFAULT '{}'
) RETURNS TABLE (
    job_id bigint, job_day date, handler text, priority smallint,
    mark integer, due boolean, isolated boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    first_day date;
    last_day date;
    due_by timestamptz;
BEGIN
    -- The days of open jobs are few, and a scan is made ready for each partition
    -- that a plan could need: known beforehand, the others cost nothing.
    SELECT min(j.job_day), max(j.job_day) INTO first_day, last_day
    FROM evtrack.job j
    WHERE j.handler = ANY(handlers)
        AND j.phase IN ('open', 'abandoned', 'sealed') AND NOT j.suspended;
    -- Idle workers ask again and again.
    IF first_day IS NULL THEN RETURN; END IF;
    due_by := evtrack.due_by();
    RETURN QUERY
    SELECT j.job_id, j.job_day, j.handler, j.priority, f.batch_no,
        r.due IS NOT NULL, CASE WHEN r.due THEN evtrack.has_isolated(
            j.job_day, ARRAY[j.job_id]) ELSE false END
    FROM evtrack.job j
    LEFT JOIN unnest(known_jobs, known_marks) AS k (job_id, mark)
        ON k.job_id = j.job_id
    LEFT JOIN LATERAL (
        SELECT b.batch_no FROM evtrack.batch b
        WHERE b.job_day BETWEEN first_day AND last_day
            AND b.job_day = j.job_day AND b.job_id = j.job_id AND b.fresh
            AND b.batch_no > greatest(k.mark - 1, j.fresh_after)
        ORDER BY b.batch_no LIMIT 1
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT true AS due FROM evtrack.batch b
        WHERE b.job_day BETWEEN first_day AND last_day
            AND b.job_day = j.job_day AND b.job_id = j.job_id
            AND b.run_at <= due_by AND (b.run_at <= statement_timestamp()
                OR coalesce(b.started_at, b.enqueued_at)
                    > statement_timestamp())
        ORDER BY b.run_at LIMIT 1
    ) r ON true
    WHERE j.handler = ANY(handlers)
        AND j.phase IN ('open', 'abandoned', 'sealed') AND NOT j.suspended
        AND (f.batch_no IS NOT NULL OR r.due)
    ORDER BY j.priority DESC, j.job_id
    LIMIT 1024;
END $$;
