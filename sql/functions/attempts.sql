-- The attempts that ended in the last `span`, over all jobs: what share of
-- them crashed says how healthy the whole is. Failures and crashes are read
-- from the log by index, completions from the counters, to ten seconds (to a
-- 120th of the run time of a job that has ended), so that it costs the same
-- however many batches there are. Beside them what runs at this moment.
CREATE OR REPLACE FUNCTION evtrack.attempts(
    span interval DEFAULT '24 hours'
) RETURNS TABLE (
    since timestamptz, attempts bigint, completed bigint, failed bigint,
    crashed bigint, workers_lost bigint, running bigint
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
SET jit = off AS $$
    WITH s AS (
        SELECT clock_timestamp() - span AS since
    ), each_job AS (
        -- A completion right after a crash says what was done before: no
        -- attempt of its own.
        SELECT c.completed - k.counted_twice AS completed, f.failed,
            k.crashed, k.workers_lost, c.running
        FROM s
        JOIN evtrack.job j ON j.handler <> 'evtrack.canary'
            AND (j.phase IN ('open', 'abandoned', 'sealed')
                OR greatest(j.finished_at, j.cancelled_at) > s.since)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(p.completed_batches) FILTER (
                    WHERE p.bucket * 10.0 >= extract(EPOCH FROM s.since)), 0)
                AS completed,
                coalesce(sum(p.running_batches), 0) AS running
            FROM evtrack.progress p
            WHERE p.job_id = j.job_id
        ) c
        CROSS JOIN LATERAL (
            SELECT count(*) AS failed FROM evtrack.event e
            WHERE e.job_day = j.job_day AND e.job_id = j.job_id
                AND e.type = 'failed' AND e.at > s.since AND e.version > 2
        ) f
        CROSS JOIN LATERAL (
            SELECT count(*) AS crashed, count(n.type) AS counted_twice,
                count(*) FILTER (WHERE e.data ->> 'cause' = 'worker_lost')
                AS workers_lost
            FROM evtrack.event e
            LEFT JOIN evtrack.event n ON n.job_day = j.job_day
                AND n.job_id = e.job_id AND n.batch_no = e.batch_no
                AND n.version = e.version + 1 AND n.type = 'completed'
            WHERE e.job_day = j.job_day AND e.job_id = j.job_id
                AND e.type = 'crashed' AND e.at > s.since AND e.version > 2
        ) k
    )
    SELECT s.since,
        coalesce(sum(e.completed + e.failed + e.crashed), 0)::bigint,
        coalesce(sum(e.completed), 0)::bigint,
        coalesce(sum(e.failed), 0)::bigint,
        coalesce(sum(e.crashed), 0)::bigint,
        coalesce(sum(e.workers_lost), 0)::bigint,
        coalesce(sum(e.running), 0)::bigint
    FROM s LEFT JOIN each_job e ON true
    GROUP BY s.since
$$;
