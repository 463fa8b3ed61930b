-- Return those of the given batches whose attempt by a worker has not ended, or
-- ended with the worker, and the ordinals of their items. What a dead worker's
-- pages name is compared with this: a dying process may have written anything.
CREATE OR REPLACE FUNCTION evtrack.left_batches(
    dead_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[]
) RETURNS TABLE (
    job_id bigint, batch_no integer, attempt integer, ordinals int4multirange
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    RETURN QUERY
    SELECT b.job_id, b.batch_no, b.attempt, b.ordinals
    FROM unnest(job_ids, batch_nos, left_batches.attempts)
        AS g (job_id, batch_no, attempt)
    JOIN evtrack.job j ON j.job_id = g.job_id
    JOIN evtrack.batch b ON b.job_day = j.job_day AND b.job_id = g.job_id
        AND b.batch_no = g.batch_no AND b.attempt = g.attempt
    WHERE b.status = 'running' AND b.worker_id = dead_worker
        OR b.status = 'pending' AND EXISTS (
            SELECT FROM evtrack.event e
            WHERE e.job_day = b.job_day AND e.job_id = b.job_id
                AND e.batch_no = b.batch_no AND e.type = 'crashed'
                AND e.attempt = b.attempt AND e.worker_id = dead_worker);
END $$;
