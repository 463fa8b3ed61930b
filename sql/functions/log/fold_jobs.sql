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
    steps integer;
    e evtrack.event;
    step evtrack.event;
    extended evtrack.event;
    digests bytea;
BEGIN
    WHILE i <= cardinality(events) LOOP
        e := events[i];
        IF e.type <> 'created' OR e.version <> 1 THEN
            IF e.type = 'created' OR NOT evtrack.fold_job(e) THEN
                PERFORM evtrack.refuse_event(e);
            END IF;
            i := i + 1;
            CONTINUE;
        END IF;
        -- Each expression of a function is prepared again in each transaction,
        -- so that a few large ones are faster than many small ones.
        steps := CASE
            WHEN ((events[i + 1]).type = 'extended'
                AND (events[i + 1]).version = 2
                AND (events[i + 1]).job_id = e.job_id
                AND (events[i + 1]).job_day = e.job_day) IS NOT TRUE THEN 1
            WHEN ((events[i + 2]).type = 'sealed'
                AND (events[i + 2]).version = 3
                AND (events[i + 2]).job_id = e.job_id
                AND (events[i + 2]).job_day = e.job_day) IS NOT TRUE THEN 2
            ELSE 3 END;
        extended := CASE WHEN steps > 1 THEN events[i + 1] END;
        digests := NULL;
        FOR n IN 0..steps - 1 LOOP
            step := events[i + n];
            digests := evtrack.extend_links(
                digests, step.version - 1, evtrack.event_text(
                    step.job_id, step.batch_no, step.version, step.type,
                    step.attempt, step.worker_id, step.at, step.seq, step.xid,
                    step.data));
        END LOOP;
        INSERT INTO evtrack.job (
            job_id, job_day, handler, name, priority, phase, version, policy,
            source, "position", bytes_read, bytes_total, batch_count,
            item_count, invalid_count, submitter, digest_form, created_at,
            extended_at, sealed_at, links)
        VALUES (
            e.job_id, e.job_day, e.data ->> 'handler', e.data ->> 'name',
            coalesce((e.data ->> 'priority')::smallint, 0),
            CASE steps WHEN 3 THEN 'sealed' ELSE 'open' END::evtrack.phase,
            steps, coalesce(e.data -> 'policy', '{}'),
            coalesce(e.data -> 'source', '{}'),
            extended.data -> 'position',
            coalesce((extended.data ->> 'bytes_read')::bigint, 0),
            (e.data ->> 'bytes_total')::bigint,
            CASE steps WHEN 1 THEN 0
                ELSE (extended.data ->> 'batches')::integer END,
            CASE steps WHEN 1 THEN 0
                ELSE (extended.data ->> 'items')::bigint END,
            coalesce((extended.data ->> 'invalid')::bigint, 0),
            (e.data ->> 'submitter')::uuid,
            coalesce((e.data ->> 'digest_form')::smallint, 1), e.at,
            extended.at, CASE steps WHEN 3 THEN step.at END, digests);
        i := i + steps;
    END LOOP;
END $$;
