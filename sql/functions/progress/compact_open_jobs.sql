-- Compact the progress rows of open jobs that have many, of at most 100 jobs.
-- Call it from time to time; it does so once a minute, for one caller at a time.
-- Returns how many rows it merged.
CREATE OR REPLACE FUNCTION evtrack.compact_open_jobs() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    merged bigint;
BEGIN
    -- Check without the lock first: the answer is nearly always no. A time that
    -- lies ahead is from before the clock was set back.
    PERFORM FROM evtrack.duty d WHERE d.duty = 'compaction' AND d.done_at
        BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp();
    IF FOUND THEN RETURN 0; END IF;
    PERFORM FROM evtrack.duty d
    WHERE d.duty = 'compaction' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN 0; END IF;
    UPDATE evtrack.duty d SET done_at = clock_timestamp()
    WHERE d.duty = 'compaction';
    -- 90 seconds: the pace covers 60.
    SELECT coalesce(sum(evtrack.compact_progress(l.job_id, 240, 9)), 0)
    INTO merged
    FROM (
        SELECT p.job_id
        FROM evtrack.job j
        JOIN evtrack.progress p ON p.job_id = j.job_id
        WHERE j.phase IN ('open', 'abandoned', 'sealed')
        GROUP BY p.job_id HAVING count(*) > 500
        ORDER BY count(*) DESC LIMIT 100
    ) l;
    RETURN merged;
END $$;
