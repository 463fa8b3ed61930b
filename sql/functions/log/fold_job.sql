-- Fold one event of an existing job's own stream (batch_no 0) into evtrack.job.
-- Returns whether the step was legal. Called by evtrack.fold_jobs() only.
CREATE OR REPLACE FUNCTION evtrack.fold_job(e evtrack.event) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    moved integer := 0;
BEGIN
    -- A job of many chunks has a long stream, and its row is written with each:
    -- a full window of digests moves out of it.
    IF e.version % 32 = 1 THEN
        INSERT INTO evtrack.job_link AS l (job_id, first_version, links)
        SELECT j.job_id, e.version - octet_length(k.links) / 32, k.links
        FROM evtrack.job j
        CROSS JOIN LATERAL coalesce(j.links,
            decode(repeat('00', 32 * j.version), 'hex')) AS k (links)
        WHERE j.job_id = e.job_id AND j.version = e.version - 1
        RETURNING octet_length(l.links) INTO moved;
    END IF;
    UPDATE evtrack.job j SET
        version = e.version,
        phase = coalesce(t.after, j.phase),
        suspended = j.suspended <> (t.suspended IS NOT NULL),
        submitter = CASE e.type
            WHEN 'reclaimed' THEN (e.data ->> 'submitter')::uuid
            ELSE j.submitter END,
        batch_count = j.batch_count + CASE e.type
            WHEN 'extended' THEN (e.data ->> 'batches')::integer
            ELSE 0 END,
        item_count = j.item_count + CASE e.type
            WHEN 'extended' THEN (e.data ->> 'items')::bigint ELSE 0 END,
        invalid_count = j.invalid_count + CASE e.type
            WHEN 'extended' THEN coalesce((e.data ->> 'invalid')::bigint, 0)
            ELSE 0 END,
        note_count = j.note_count + CASE e.type
            WHEN 'noted' THEN (e.data ->> 'total')::bigint ELSE 0 END,
        position = CASE e.type
            WHEN 'extended' THEN coalesce(e.data -> 'position', j.position)
            ELSE j.position END,
        bytes_read = CASE e.type
            WHEN 'extended'
                THEN coalesce((e.data ->> 'bytes_read')::bigint, j.bytes_read)
            ELSE j.bytes_read END,
        extended_at = CASE e.type
            WHEN 'extended' THEN e.at ELSE j.extended_at END,
        sealed_at = CASE e.type WHEN 'sealed' THEN e.at ELSE j.sealed_at END,
        finished_at = CASE e.type
            WHEN 'finished' THEN e.at WHEN 'reopened' THEN NULL
            ELSE j.finished_at END,
        cancelled_at = CASE e.type
            WHEN 'cancelled' THEN e.at ELSE j.cancelled_at END,
        links = substring(
            evtrack.extend_links(j.links, j.version, evtrack.event_text(
                e.job_id, e.batch_no, e.version, e.type, e.attempt,
                e.worker_id, e.at, e.seq, e.xid, e.data))
            FROM moved + 1)
    FROM unnest(evtrack.job_transitions()) t
    WHERE j.job_id = e.job_id AND j.job_day = e.job_day
        AND j.version = e.version - 1
        AND t.type = e.type AND j.phase = ANY(t.before)
        AND (t.suspended IS NULL OR t.suspended = j.suspended);
    RETURN FOUND;
END $$;
