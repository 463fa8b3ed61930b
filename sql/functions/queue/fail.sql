-- Report batches whose handler raised an error. Each is requeued with backoff,
-- in the same transaction, while its job's error budget lasts. One verdict per
-- batch: retry, failed, late or unknown.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.fail(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], errors jsonb[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    n integer := coalesce(cardinality(job_ids), 0);
    places bigint[] := '{}';
    places_of_day bigint[];
    retried boolean[] := '{}';
    retried_of_day boolean[];
    day date;
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts, run_s);
    FOR day IN
        SELECT DISTINCT j.job_day FROM evtrack.job j
        WHERE j.job_id = ANY(job_ids) ORDER BY j.job_day
    LOOP
        WITH given AS (
            -- If a batch is listed twice, the second report is a repetition.
            SELECT DISTINCT ON (g.job_id, g.batch_no, g.attempt) g.*
            FROM unnest(job_ids, batch_nos, attempts, run_s, errors)
                WITH ORDINALITY
                AS g (job_id, batch_no, attempt, run_s, error, place)
            ORDER BY g.job_id, g.batch_no, g.attempt, g.place
        ), report AS (
            SELECT b.*, g.run_s, g.error, g.place, j.policy,
                j.phase <> 'cancelled' AND b.errors + 1
                    < evtrack.policy_number(j.policy, 'max_errors') AS again
            FROM given g
            CROSS JOIN LATERAL (
                SELECT b.job_id, b.batch_no, b.version, b.attempt, b.errors
                FROM evtrack.batch b
                WHERE b.job_day = day AND b.job_id = g.job_id
                    AND b.batch_no = g.batch_no AND b.status = 'running'
                    AND b.worker_id = the_worker AND b.attempt = g.attempt
                FOR UPDATE
            ) b
            CROSS JOIN LATERAL (
                SELECT j.policy, j.phase FROM evtrack.job j
                WHERE j.job_id = g.job_id OFFSET 0
            ) j
        ), appended AS (
            INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
                attempt, worker_id, data)
            SELECT day, r.job_id, r.batch_no, r.version + 1,
                'failed'::evtrack.event_type, r.attempt, the_worker,
                jsonb_strip_nulls(jsonb_build_object('run_s', r.run_s,
                    'error', evtrack.error_facts(r.error)))
            FROM report r
            UNION ALL
            SELECT day, r.job_id, r.batch_no, r.version + 2, 'requeued',
                r.attempt, the_worker, jsonb_build_object('reason', 'retry',
                    'run_at', evtrack.retry_at(r.policy, r.errors + 1))
            FROM report r WHERE r.again
        )
        SELECT array_agg(r.place), array_agg(r.again)
        INTO places_of_day, retried_of_day FROM report r;
        places := places || places_of_day;
        retried := retried || retried_of_day;
    END LOOP;

    IF cardinality(places) = n THEN
        retried := ARRAY(
            SELECT u.again FROM unnest(places, retried) AS u (place, again)
            ORDER BY u.place);
        RETURN QUERY SELECT g.job_id, g.batch_no,
            CASE WHEN g.again THEN 'retry' ELSE 'failed' END
        FROM unnest(job_ids, batch_nos, retried)
            AS g (job_id, batch_no, again);
    ELSE
        -- held() finds the batches that failed above in the log: `again`.
        RETURN QUERY SELECT h.job_id, h.batch_no, CASE
            WHEN h.verdict <> 'again' THEN h.verdict
            WHEN h.status = 'failed' THEN 'failed' ELSE 'retry' END
        FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'failed') h;
    END IF;
END $$;
