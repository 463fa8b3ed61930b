-- Report batches whose process died, with what is known of each death. Where
-- handlers go item by item, `done` says which items' results the caller holds
-- (a multirange of ordinals) and `results` has their lines. What is left of a
-- batch is split until the poison item is known; see crash_one(). One verdict
-- a batch: retry, split, crashed, late or unknown.
CREATE OR REPLACE FUNCTION evtrack.crash(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], dossiers jsonb[],
    done text[] DEFAULT NULL, results text[] DEFAULT NULL
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
BEGIN
    -- Jobs before batches: new batches take their numbers from the job's row.
    PERFORM 1 FROM evtrack.job j WHERE j.job_id = ANY(job_ids)
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
                results[r.place])
            WHEN r.verdict <> 'again' THEN r.verdict
            WHEN r.status IN ('split', 'completed') THEN 'split'
            WHEN r.status = 'crashed' THEN 'crashed'
            ELSE 'retry' END;
        RETURN NEXT;
    END LOOP;
END $$;
