-- Lock the jobs whose batches the loss of these workers may divide, before their
-- batches are locked: new batches take their numbers from the job's row.
CREATE OR REPLACE FUNCTION evtrack.lock_suspects(
    workers bigint[], reported bigint[] DEFAULT '{}'
) RETURNS void
LANGUAGE sql AS $$
    SELECT FROM evtrack.job j
    WHERE j.job_id = ANY(reported || ARRAY(
        SELECT h.job_id FROM unnest(workers) w
        CROSS JOIN LATERAL evtrack.running_batches(w) h
        JOIN evtrack.batch b ON b.job_day = h.job_day AND b.job_id = h.job_id
            AND b.batch_no = h.batch_no
        WHERE b.isolation >= 'marked' AND b.item_count > 1))
    ORDER BY j.job_id FOR UPDATE
$$;
