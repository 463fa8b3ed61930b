-- Report batches as completed, each with its run time in seconds and, if
-- handlers returned something, its result lines. Peak memory and CPU time are
-- optional, for all or for single batches. One verdict per batch, in the order
-- given: ok, late (rejected and recorded: another attempt has it) or unknown.
-- Sending an identical report again returns ok.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.complete(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], run_s float8[], results text[] DEFAULT NULL,
    peak_rss_bytes bigint[] DEFAULT NULL, cpu_s float8[] DEFAULT NULL
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    n integer := coalesce(cardinality(job_ids), 0);
    done integer := 0;
    of_day integer;
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
            FROM unnest(job_ids, batch_nos, attempts, run_s, results,
                peak_rss_bytes, cpu_s)
                AS g (job_id, batch_no, attempt, run_s, lines, peak, cpu_s)
            ORDER BY g.job_id, g.batch_no, g.attempt
        ), locked AS (
            SELECT b.*, g.run_s, g.lines, g.peak, g.cpu_s
            FROM given g
            CROSS JOIN LATERAL (
                SELECT b.job_id, b.batch_no, b.version, b.attempt, b.ordinals
                FROM evtrack.batch b
                WHERE b.job_day = day AND b.job_id = g.job_id
                    AND b.batch_no = g.batch_no AND b.status = 'running'
                    AND b.worker_id = the_worker AND b.attempt = g.attempt
                FOR UPDATE
            ) b
        ), completed AS (
            INSERT INTO evtrack.event (job_day, job_id, batch_no, version,
                type, attempt, worker_id, data)
            SELECT day, l.job_id, l.batch_no, l.version + 1, 'completed',
                l.attempt, the_worker, CASE
                    WHEN l.peak IS NULL AND l.cpu_s IS NULL THEN
                        CASE WHEN l.run_s IS NULL THEN '{}'
                            ELSE jsonb_build_object('run_s', l.run_s) END
                    ELSE jsonb_strip_nulls(jsonb_build_object(
                        'run_s', l.run_s, 'peak_rss_bytes',
                        CASE WHEN l.peak >= 0 THEN l.peak END, 'cpu_s',
                        CASE WHEN l.cpu_s BETWEEN 0 AND 1e15
                            THEN l.cpu_s END)) END
            FROM locked l
        ), kept AS (
            INSERT INTO evtrack.result (
                job_day, job_id, batch_no, ordinals, lines)
            SELECT day, l.job_id, l.batch_no, l.ordinals, l.lines
            FROM locked l WHERE l.lines IS NOT NULL
        )
        SELECT count(*) INTO of_day FROM locked l;
        done := done + of_day;
    END LOOP;

    IF done = n THEN
        RETURN QUERY SELECT g.job_id, g.batch_no, 'ok'
        FROM unnest(job_ids, batch_nos) AS g (job_id, batch_no);
    ELSE
        -- held() finds the batches completed above in the log: `again`.
        RETURN QUERY SELECT h.job_id, h.batch_no, CASE h.verdict
            WHEN 'again' THEN 'ok' ELSE h.verdict END
        FROM evtrack.held(
            the_worker, job_ids, batch_nos, attempts, 'completed') h;
    END IF;
END $$;
