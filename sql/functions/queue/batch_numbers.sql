-- Return the numbers of a job's batches after `after_no`, ascending: all, or of
-- one status, for reading a job's batches page by page. batch_status has no index
-- by status; what is read is bounded all the same:
-- - failed and crashed: the batches of the latest `walk` such events, if these
--   are all;
-- - pending: new batches above the job's mark, see raise_marks(), and the index of
--   retried ones, `walk` of these;
-- - running: half of `walk` numbers below the first new batch, which are claimed
--   in order, and the latest ones of the job, which were derived from others;
-- - else, and in jobs with more failures or crashes: `walk` numbers are looked
--   at, and `looked_to` says how far.
-- Without any number, one row says how far it looked. `looked_to` is null if all
-- were found.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.batch_numbers(
    the_job bigint,
    wanted evtrack.status DEFAULT NULL,
    after_no integer DEFAULT 0,
    most integer DEFAULT 50,
    walk integer DEFAULT 5000
) RETURNS TABLE (batch_no integer, looked_to integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET jit = off AS $$
DECLARE
    j evtrack.job;
    frontier integer;
    numbers integer[];
    upto bigint;
BEGIN
    SELECT * INTO j FROM evtrack.job o WHERE o.job_id = the_job;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF wanted IN ('failed', 'crashed') THEN
        SELECT array_agg(t.batch_no) INTO numbers
        FROM (
            SELECT e.batch_no FROM evtrack.event e
            WHERE e.job_day = j.job_day AND e.job_id = the_job
                AND e.type IN ('failed', 'crashed')
                AND e.type = wanted::text::evtrack.event_type
            ORDER BY e.at DESC LIMIT walk + 1
        ) t;
        IF cardinality(numbers) > walk THEN
            numbers := NULL;
        ELSE
            numbers := coalesce(numbers, '{}');
        END IF;
    ELSIF wanted = 'pending' THEN
        numbers := ARRAY(
            SELECT b.batch_no FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job AND b.fresh
                AND b.batch_no > greatest(after_no, j.fresh_after)
            ORDER BY b.batch_no LIMIT most
        ) || ARRAY(
            SELECT b.batch_no FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job
                AND b.run_at IS NOT NULL
            ORDER BY b.run_at LIMIT walk
        );
    ELSIF wanted = 'running' THEN
        SELECT b.batch_no INTO frontier FROM evtrack.batch b
        WHERE b.job_day = j.job_day AND b.job_id = the_job AND b.fresh
            AND b.batch_no > j.fresh_after
        ORDER BY b.batch_no LIMIT 1;
        frontier := coalesce(frontier, j.batch_count + 1);
        numbers := ARRAY(
            SELECT b.batch_no FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job
                AND b.batch_no > greatest(after_no, frontier - walk / 2)
                AND b.batch_no < frontier AND b.status = 'running'
        ) || ARRAY(
            SELECT b.batch_no FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job
                AND b.batch_no >= greatest(
                    after_no + 1, frontier, j.batch_count - walk / 2)
                AND b.status = 'running'
        );
    END IF;
    IF numbers IS NULL THEN
        upto := least(j.batch_count, after_no::bigint
            + CASE WHEN wanted IS NULL THEN most ELSE walk END);
        numbers := ARRAY(
            SELECT b.batch_no FROM evtrack.batch b
            WHERE b.job_day = j.job_day AND b.job_id = the_job
                AND b.batch_no > after_no AND b.batch_no <= upto
                AND (wanted IS NULL OR b.status = wanted)
            ORDER BY b.batch_no LIMIT most
        );
        upto := CASE WHEN cardinality(numbers) = most
            THEN numbers[most] ELSE upto END;
        IF upto >= j.batch_count THEN
            upto := NULL;
        END IF;
    ELSE
        numbers := ARRAY(
            SELECT d.n FROM (
                SELECT DISTINCT n FROM unnest(numbers) n
                WHERE n > after_no ORDER BY n
            ) d
            CROSS JOIN LATERAL (
                SELECT FROM evtrack.batch b
                WHERE b.job_day = j.job_day AND b.job_id = the_job
                    AND b.batch_no = d.n AND b.status = wanted
                LIMIT 1
            ) b
            ORDER BY d.n LIMIT most
        );
        upto := CASE WHEN cardinality(numbers) = most THEN numbers[most] END;
    END IF;
    RETURN QUERY
    SELECT n, upto::integer FROM unnest(numbers) n
    UNION ALL
    SELECT NULL, upto::integer WHERE cardinality(numbers) = 0
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION evtrack.batch_numbers(
    bigint, evtrack.status, integer, integer, integer
) IS
'The numbers of a job''s batches page by page, all or of one status. Looks '
'at a bounded number of rows: looked_to says how far, null if to the end.';
