-- Finish a sealed job that has no open batch. Never call it in the transaction
-- that completes a batch: of the last two, each would see the other still
-- running. Returns whether it finished the job now.
CREATE OR REPLACE FUNCTION evtrack.finish_due(the_job bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job;
    sums jsonb;
BEGIN
    -- Check without the lock first: the answer is nearly always no.
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
            'completed', c.completed_batches,
            'failed', c.failed_batches,
            'crashed', c.crashed_batches,
            'split', c.split_batches,
            'cancelled', c.cancelled_batches),
        'items', jsonb_build_object(
            'completed', c.completed_items,
            'failed', c.failed_items,
            'crashed', c.crashed_items,
            'cancelled', c.cancelled_items),
        'invalid', j.invalid_count,
        -- The snapshot shows which events the digest covers: a late
        -- result may still follow.
        'digest', encode(evtrack.job_digest(the_job), 'hex'),
        'snapshot', pg_current_snapshot())
        -- It does not cover the transactions of another cluster.
        || coalesce((
            SELECT jsonb_build_object('restored_seq', r.last_seq)
            FROM evtrack.restored r WHERE r.job_id = the_job), '{}')
    INTO sums FROM evtrack.counted_job c WHERE c.job_id = the_job;
    PERFORM evtrack.append_job_event(j, 'finished', sums);
    PERFORM evtrack.compact_progress(the_job);
    RETURN true;
END $$;
