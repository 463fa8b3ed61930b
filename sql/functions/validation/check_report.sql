-- Raise EV007 unless a report has as many batches and attempts as jobs, and
-- every run time is a number of seconds. An invalid value would be in the log
-- forever, and some readers could not parse it.
CREATE OR REPLACE FUNCTION evtrack.check_report(
    job_ids bigint[], batch_nos integer[], attempts integer[],
    run_s float8[] DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(batch_nos) IS DISTINCT FROM cardinality(job_ids)
        OR cardinality(attempts) IS DISTINCT FROM cardinality(job_ids) THEN
        RAISE EXCEPTION 'batch_nos, attempts and job_ids must have the same '
            'length; got %, % and %', coalesce(cardinality(batch_nos), 0),
            coalesce(cardinality(attempts), 0), coalesce(cardinality(job_ids), 0)
            USING ERRCODE = 'EV007', HINT = 'Pass one of each per batch.';
    END IF;
    -- NaN compares greater than any number.
    IF 0::float8 > ANY(run_s) OR 1e15::float8 < ANY(run_s) THEN
        RAISE EXCEPTION 'run_s has %, which is not a valid run time', (
            SELECT r FROM unnest(run_s) r WHERE r < 0 OR r > 1e15 LIMIT 1)
            USING ERRCODE = 'EV007', HINT = 'Pass seconds, from 0 to 1e15, or null '
            'if the time is unknown.';
    END IF;
END $$;
