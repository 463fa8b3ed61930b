-- Drop one whole day: its partitions of the log, the batches, the payloads and
-- the results, and the rows of its jobs. Each job leaves a line in the ledger.
-- The caller, the owner, has read the day in the snapshot `seen`, and passes
-- all of its jobs, their event counts and their digests. Returns `dropped`;
-- `busy` if a lock was not available; or `changed` if the day differs from what
-- was read. In the last two cases nothing was changed.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.drop_day(
    the_day date,
    ended_before timestamptz,
    seen pg_snapshot,
    job_ids bigint[],
    event_counts bigint[],
    digests bytea[],
    archived_to text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
SET enable_seqscan = off SET jit = off AS $$
DECLARE
    suffix text := to_char(the_day, 'YYYYMMDD');
    place text;
    until timestamptz;
    tries integer := 0;
    give_up timestamptz := clock_timestamp() + interval '3 s';
    changed boolean;
BEGIN
    -- A retry locks its job's row first. A retry that waits for this lock will
    -- find the job in the ledger, and one that came before is seen below. Jobs
    -- that have ended have no other writers.
    PERFORM FROM evtrack.job j WHERE j.job_day = the_day
    ORDER BY j.job_id FOR UPDATE;
    IF EXISTS (
        SELECT FROM evtrack.job j
        LEFT JOIN unnest(job_ids) AS k (job_id) ON k.job_id = j.job_id
        WHERE j.job_day = the_day AND (k.job_id IS NULL
            OR j.phase NOT IN ('finished', 'cancelled')
            OR coalesce(j.finished_at, j.cancelled_at) >= ended_before)
    ) THEN
        RETURN 'changed';
    END IF;

    INSERT INTO evtrack.ledger (
        job_id, job_day, handler, name, phase, batches, items, invalid_count,
        event_count, created_at, sealed_at, ended_at, digest, archive)
    SELECT j.job_id, j.job_day, j.handler, j.name, j.phase,
        s.batches, s.items, j.invalid_count, k.events, j.created_at,
        j.sealed_at, coalesce(j.finished_at, j.cancelled_at), k.digest,
        archived_to
    FROM evtrack.job j
    JOIN unnest(job_ids, event_counts, digests) AS k (job_id, events, digest)
        ON k.job_id = j.job_id
    CROSS JOIN LATERAL evtrack.job_sums(j.job_id) s
    WHERE j.job_day = the_day;
    DELETE FROM evtrack.progress p USING evtrack.job j
    WHERE j.job_day = the_day AND p.job_id = j.job_id;
    DELETE FROM evtrack.job_link l USING evtrack.job j
    WHERE j.job_day = the_day AND l.job_id = j.job_id;
    DELETE FROM evtrack.digest_part d USING evtrack.job j
    WHERE j.job_day = the_day AND d.job_id = j.job_id;
    DELETE FROM evtrack.verification v USING evtrack.job j
    WHERE j.job_day = the_day AND v.job_id = j.job_id;
    DELETE FROM evtrack.job j WHERE j.job_day = the_day;

    -- Dropping a partition locks the parent, which every writer uses. The total
    -- wait of one try is bounded, because later sessions queue behind it; they
    -- proceed between two tries. Batches first: workers' transactions start
    -- there, when they hold no other lock.
    LOOP
        BEGIN
            until := clock_timestamp() + interval '50 ms';
            FOREACH place IN ARRAY ARRAY[
                'batch', 'event', 'payload', 'result', 'batch_' || suffix,
                'event_' || suffix, 'payload_' || suffix, 'result_' || suffix]
            LOOP
                -- The clock may step meanwhile.
                PERFORM set_config('lock_timeout', greatest(1, least(50, extract(
                    epoch FROM until - clock_timestamp()) * 1000)
                )::integer::text, true);
                EXECUTE format(
                    'LOCK TABLE ONLY evtrack.%I IN ACCESS EXCLUSIVE MODE', place);
            END LOOP;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            tries := tries + 1;
            IF clock_timestamp() > give_up OR tries > 60 THEN
                RAISE EXCEPTION 'busy' USING ERRCODE = 'EV008';
            END IF;
            PERFORM pg_sleep(0.05 + 0.1 * random());
        END;
    END LOOP;

    -- No other session uses the log now, so any event that came after it was
    -- read is visible. Restored events name transactions of another cluster.
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM ('
        'SELECT e.job_id, e.seq FROM evtrack.%I e WHERE e.xid >= $1 '
        'AND NOT pg_visible_in_snapshot(e.xid, $2) OFFSET 0) e '
        'WHERE NOT EXISTS (SELECT FROM evtrack.restored r '
        'WHERE r.job_id = e.job_id AND e.seq <= r.last_seq))',
        'event_' || suffix)
    INTO changed USING pg_snapshot_xmin(seen), seen;
    IF changed OR EXISTS (
        SELECT FROM evtrack.job j WHERE j.job_day = the_day
    ) THEN
        RAISE EXCEPTION 'changed' USING ERRCODE = 'EV008';
    END IF;
    DELETE FROM evtrack.restored r WHERE r.job_id = ANY(job_ids);
    EXECUTE format('DROP TABLE evtrack.%I, evtrack.%I, evtrack.%I, evtrack.%I',
        'event_' || suffix, 'batch_' || suffix, 'payload_' || suffix,
        'result_' || suffix);
    RETURN 'dropped';
EXCEPTION
    WHEN lock_not_available THEN RETURN 'busy';
    WHEN SQLSTATE 'EV008' THEN RETURN SQLERRM;
END $$;
