-- Fold the events of jobs' own streams, in the order of their versions, and
-- refuse the first that is not a legal step. A job that is submitted in one
-- call is created, extended and sealed in one statement: its row is written
-- once, as it is after these steps. Called by evtrack.fold() only, and planned
-- under its settings.
CREATE OR REPLACE FUNCTION evtrack.fold_jobs(events evtrack.event[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    i integer := 1;
    e evtrack.event;
    extended evtrack.event;
    sealed evtrack.event;
    digests bytea;
BEGIN
    WHILE i <= cardinality(events) LOOP
        e := events[i];
        i := i + 1;
        IF e.type <> 'created' OR e.version <> 1 THEN
            IF e.type = 'created' OR NOT evtrack.fold_job(e) THEN
                PERFORM evtrack.refuse_event(e);
            END IF;
            CONTINUE;
        END IF;
        extended := NULL;
        sealed := NULL;
        digests := evtrack.extend_links(NULL, 0, evtrack.event_text(
            e.job_id, e.batch_no, e.version, e.type, e.attempt, e.worker_id,
            e.at, e.seq, e.xid, e.data));
        IF (events[i]).type = 'extended' AND (events[i]).version = 2
            AND (events[i]).job_id = e.job_id
            AND (events[i]).job_day = e.job_day THEN
            extended := events[i];
            i := i + 1;
            digests := evtrack.extend_links(digests, 1, evtrack.event_text(
                extended.job_id, extended.batch_no, extended.version,
                extended.type, extended.attempt, extended.worker_id,
                extended.at, extended.seq, extended.xid, extended.data));
            IF (events[i]).type = 'sealed' AND (events[i]).version = 3
                AND (events[i]).job_id = e.job_id
                AND (events[i]).job_day = e.job_day THEN
                sealed := events[i];
                i := i + 1;
                digests := evtrack.extend_links(digests, 2, evtrack.event_text(
                    sealed.job_id, sealed.batch_no, sealed.version,
                    sealed.type, sealed.attempt, sealed.worker_id, sealed.at,
                    sealed.seq, sealed.xid, sealed.data));
            END IF;
        END IF;
        INSERT INTO evtrack.job (
            job_id, job_day, handler, name, priority, phase, version, policy,
            source, "position", bytes_read, bytes_total, batch_count,
            item_count, invalid_count, submitter, digest_form, created_at,
            extended_at, sealed_at, links)
        VALUES (
            e.job_id, e.job_day, e.data ->> 'handler', e.data ->> 'name',
            coalesce((e.data ->> 'priority')::smallint, 0),
            CASE WHEN sealed.version IS NULL THEN 'open' ELSE 'sealed' END
                ::evtrack.phase,
            coalesce(sealed.version, extended.version, 1),
            coalesce(e.data -> 'policy', '{}'),
            coalesce(e.data -> 'source', '{}'),
            extended.data -> 'position',
            coalesce((extended.data ->> 'bytes_read')::bigint, 0),
            (e.data ->> 'bytes_total')::bigint,
            CASE WHEN extended.version IS NULL THEN 0
                ELSE (extended.data ->> 'batches')::integer END,
            CASE WHEN extended.version IS NULL THEN 0
                ELSE (extended.data ->> 'items')::bigint END,
            coalesce((extended.data ->> 'invalid')::bigint, 0),
            (e.data ->> 'submitter')::uuid,
            coalesce((e.data ->> 'digest_form')::smallint, 1), e.at,
            extended.at, sealed.at, digests);
    END LOOP;
END $$;
