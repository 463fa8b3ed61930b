-- Finish a sealed job in which nothing is open. Never part of the transaction
-- that completes a batch: of two last ones each would see the other running.
-- Returns whether it finished now.
CREATE OR REPLACE FUNCTION evtrack.finish_due(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job;
    sums jsonb;
BEGIN
    -- A look without the lock first: nearly always the answer is no.
    PERFORM 1 FROM evtrack.job WHERE job_id = the_job AND phase = 'sealed';
    IF NOT FOUND OR evtrack.open_batches(the_job) > 0 THEN
        RETURN false;
    END IF;
    PERFORM evtrack.settle_log();
    j := evtrack.lock_job(the_job);
    IF j.phase <> 'sealed' OR evtrack.open_batches(the_job) > 0 THEN
        RETURN false;
    END IF;
    SELECT jsonb_build_object(
        'batches', jsonb_build_object(
            'completed', coalesce(sum(p.completed_batches), 0),
            'failed', coalesce(sum(p.failed_batches), 0),
            'crashed', coalesce(sum(p.crashed_batches), 0),
            'split', coalesce(sum(p.split_batches), 0),
            'cancelled', coalesce(sum(p.cancelled_batches), 0)),
        'items', jsonb_build_object(
            'completed', coalesce(sum(p.completed_items), 0),
            'failed', coalesce(sum(p.failed_items), 0),
            'crashed', coalesce(sum(p.crashed_items), 0),
            'cancelled', coalesce(sum(p.cancelled_items), 0)),
        'invalid', j.invalid_count,
        -- Which events the digest is over: a late result may still come.
        'digest', encode(evtrack.job_digest(the_job), 'hex'),
        'snapshot', pg_current_snapshot())
        -- The snapshot knows nothing of the transactions of another cluster.
        || coalesce((
            SELECT jsonb_build_object('restored_seq', r.last_seq)
            FROM evtrack.restored r WHERE r.job_id = the_job), '{}')
    INTO sums FROM evtrack.progress p WHERE p.job_id = the_job;
    PERFORM evtrack.append_job_event(j, 'finished', sums);
    PERFORM evtrack.compact_progress(the_job);
    RETURN true;
END $$;
