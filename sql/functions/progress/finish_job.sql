-- Finish a sealed job without open batches, whose row the caller has locked.
-- Returns whether it is finished now. The digest of a large job is computed a
-- bounded number of parts a call: it returns false until all are there.
CREATE OR REPLACE FUNCTION evtrack.finish_job(j evtrack.job) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    last_part integer := (j.batch_count - 1) / evtrack.digest_part_size();
    is_large boolean := j.batch_count > evtrack.digest_part_size();
    parts_left integer := 16;
    next_part integer;
    facts jsonb;
BEGIN
    IF is_large THEN
        DELETE FROM evtrack.digest_part d USING evtrack.stale_parts(j) s (part)
        WHERE d.job_id = j.job_id AND d.part = s.part;
        FOR next_part IN
            SELECT p FROM generate_series(0, last_part) p
            WHERE NOT EXISTS (
                SELECT FROM evtrack.digest_part d
                WHERE d.job_id = j.job_id AND d.part = p)
            ORDER BY p
        LOOP
            IF parts_left = 0 THEN RETURN false; END IF;
            INSERT INTO evtrack.digest_part (job_id, part, digest, seen)
            SELECT j.job_id, next_part, sha256(coalesce(evtrack.part_links(
                j.job_day, j.job_id, next_part), '')), pg_current_snapshot();
            parts_left := parts_left - 1;
        END LOOP;
    END IF;
    -- One statement, so that the digest covers what its snapshot shows: a late
    -- result may still follow.
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
        'digest', encode(CASE WHEN is_large THEN sha256(
                evtrack.last_link(j.links) || (
                    SELECT string_agg(d.digest, '' ORDER BY d.part)
                    FROM evtrack.digest_part d WHERE d.job_id = j.job_id))
            ELSE evtrack.job_digest(j.job_id) END, 'hex'),
        'snapshot', pg_current_snapshot())
        -- It does not cover the transactions of another cluster.
        || coalesce((
            SELECT jsonb_build_object('restored_seq', r.last_seq)
            FROM evtrack.restored r WHERE r.job_id = j.job_id), '{}')
    INTO facts FROM evtrack.counted_job c
    WHERE c.job_id = j.job_id AND NOT (is_large
        AND EXISTS (SELECT FROM evtrack.stale_parts(j)));
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM evtrack.append_job_event(j, 'finished', facts);
    PERFORM evtrack.compact_progress(j.job_id);
    DELETE FROM evtrack.digest_part d WHERE d.job_id = j.job_id;
    RETURN true;
END $$;
