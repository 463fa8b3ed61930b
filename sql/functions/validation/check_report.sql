-- Raise EV007 unless a report names as many batches and attempts as jobs, and
-- each time that it says is a number of seconds: what is none would be in the
-- log for good, and no reader of it could take it.
CREATE OR REPLACE FUNCTION evtrack.check_report(
    job_ids bigint[], batch_nos integer[], attempts integer[],
    run_s float8[] DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(batch_nos) IS DISTINCT FROM cardinality(job_ids)
        OR cardinality(attempts) IS DISTINCT FROM cardinality(job_ids) THEN
        RAISE EXCEPTION 'a report needs as many batch_nos and attempts as '
            'job_ids; got %, % and %', coalesce(cardinality(batch_nos), 0),
            coalesce(cardinality(attempts), 0), coalesce(cardinality(job_ids), 0)
            USING ERRCODE = 'EV007', HINT = 'One of each for a batch.';
    END IF;
    -- NaN is more than any number.
    IF 0::float8 > ANY(run_s) OR 1e15::float8 < ANY(run_s) THEN
        RAISE EXCEPTION 'run_s holds %: that is no time that a batch ran', (
            SELECT r FROM unnest(run_s) r WHERE r < 0 OR r > 1e15 LIMIT 1)
            USING ERRCODE = 'EV007', HINT = 'Seconds, from 0 up to 1e15; null '
            'where the time is not known.';
    END IF;
END $$;
