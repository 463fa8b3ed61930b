-- Count the attempts of a job that ended since a time. Failures and crashes are
-- read from the log by index, completions from the progress counters, precise
-- to ten seconds. A crash that counts against no item is not counted, and a
-- lost worker not as a crash. `days` are those of all jobs that the caller asks
-- about, so that its plan has no other partitions. Plain SQL, so that it is
-- inlined into the callers' plans.
CREATE OR REPLACE FUNCTION evtrack.job_attempts(
    the_day date, the_job bigint, since timestamptz, days date[]
) RETURNS TABLE (
    completed numeric, failed bigint, crashed bigint, workers_lost bigint
)
LANGUAGE sql STABLE AS $$
    SELECT c.batches - k.counted_twice, f.attempts, k.attempts, k.workers_lost
    FROM (
        SELECT coalesce(sum(p.completed_batches), 0) AS batches
        FROM evtrack.progress p
        WHERE p.job_id = the_job
            AND p.bucket * 10.0 >= extract(EPOCH FROM since)
    ) c
    CROSS JOIN (
        SELECT count(*) AS attempts FROM evtrack.event e
        WHERE e.job_day = ANY(days) AND e.job_day = the_day
            AND e.job_id = the_job
            AND e.type = 'failed' AND e.at > since AND e.version > 2
    ) f
    -- A completion right after a crash only records the items done before it:
    -- it is not an attempt of its own.
    CROSS JOIN (
        SELECT count(*) FILTER (WHERE c.crashed) AS attempts,
            count(n.type) FILTER (WHERE c.crashed) AS counted_twice,
            count(*) FILTER (WHERE c.lost) AS workers_lost
        FROM evtrack.event e
        CROSS JOIN LATERAL (
            SELECT d.lost, NOT d.lost
                AND e.data ->> 'blame' IS DISTINCT FROM 'none' AS crashed
            FROM (
                SELECT e.data ->> 'cause' IS NOT DISTINCT FROM 'worker_lost'
                    AND e.data -> 'exclusive' IS DISTINCT FROM 'true' AS lost
            ) d
        ) c
        LEFT JOIN evtrack.event n ON n.job_day = ANY(days)
            AND n.job_day = the_day
            AND n.job_id = e.job_id AND n.batch_no = e.batch_no
            AND n.version = e.version + 1 AND n.type = 'completed'
        WHERE e.job_day = ANY(days) AND e.job_day = the_day
            AND e.job_id = the_job
            AND e.type = 'crashed' AND e.at > since AND e.version > 2
    ) k
$$;
