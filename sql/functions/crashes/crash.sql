-- Report batches whose process died, with a crash report for each. If handlers
-- work item by item, `done` has the ordinals whose results the caller holds (a
-- multirange), and `results` has their lines. The rest of the batch is split
-- until the poison item is known; see crash_one(). One verdict per batch:
-- retry, split, crashed, late or unknown.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.crash(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], dossiers jsonb[],
    done text[] DEFAULT NULL, results text[] DEFAULT NULL
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    r record;
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    -- Lock jobs before batches: new batches take their numbers from the job's
    -- row. A single item is not split, so its report need not wait for that.
    PERFORM 1 FROM evtrack.job j
    WHERE j.job_id = ANY(ARRAY(
        SELECT g.job_id
        FROM unnest(job_ids, batch_nos) AS g (job_id, batch_no)
        CROSS JOIN LATERAL (
            SELECT b.item_count FROM evtrack.job o
            JOIN evtrack.batch b ON b.job_day = o.job_day
                AND b.job_id = g.job_id AND b.batch_no = g.batch_no
            WHERE o.job_id = g.job_id
            OFFSET 0
        ) b
        WHERE b.item_count > 1))
    ORDER BY j.job_id FOR UPDATE;
    FOR r IN
        SELECT h.* FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'crashed') h
    LOOP
        job_id := r.job_id;
        batch_no := r.batch_no;
        verdict := CASE
            WHEN r.verdict = 'held' THEN evtrack.crash_one(
                the_worker, r.job_id, r.batch_no, dossiers[r.place],
                coalesce(done[r.place], '{}')::int4multirange,
                results[r.place], cardinality(job_ids) = 1)
            WHEN r.verdict <> 'again' THEN r.verdict
            ELSE (
                -- The current status: the batch may be in this group twice.
                SELECT CASE WHEN b.status IN ('split', 'completed') THEN 'split'
                    WHEN b.status = 'crashed' THEN 'crashed'
                    ELSE 'retry' END
                FROM evtrack.batch b
                WHERE b.job_day = r.job_day AND b.job_id = r.job_id
                    AND b.batch_no = r.batch_no) END;
        RETURN NEXT;
    END LOOP;
END $$;
