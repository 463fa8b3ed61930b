-- The fold: every INSERT into the log is folded into the projection in its own
-- transaction, and refused whole if one event is not a legal step. So the
-- projection is a function of the log, whoever writes. In this order: forged
-- events are refused; the jobs' own events are folded; new batches are born;
-- the others take their steps; an event that could take none is refused; what
-- went wrong becomes alerts. evtrack.batch_transitions() has the legal steps.
-- Births, starts and completions are statements here, since only a trigger's
-- function sees `added`: as functions of an array they take 10 % longer.
-- fold_derived() bears batches that are made from others, fold_moved() and
-- fold_failures() take the steps of failures, and fold_steps() takes all others.
-- It would take each of these too, but starts and completions alone take half as
-- long again then, failures twice as long, and most events are these.
CREATE OR REPLACE FUNCTION evtrack.fold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Planner settings: docs/planner.md.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    own_xid xid8 := pg_current_xact_id();
    now_at timestamptz := clock_timestamp();
    total bigint;
    of_jobs bigint;
    births bigint;
    derived bigint;
    steps bigint;
    troubles bigint;
    suspects bigint;
    newest bigint;
    day date;
    last_day date;
    the_job bigint;
    last_job bigint;
    items bigint;
    folded bigint := 0;
    stepped bigint;
    n bigint;
    others evtrack.event[];
    failures bigint := 0;
    moves bigint := 0;
    e evtrack.event;
    born record;
BEGIN
    -- Most events are starts and completions, so little is computed for each of
    -- `added`: whether one is forged is looked at again below.
    SELECT
        count(*),
        count(*) FILTER (WHERE a.batch_no = 0),
        count(*) FILTER (WHERE a.type = 'enqueued'),
        count(a.data -> 'root') FILTER (WHERE a.type = 'enqueued'),
        count(*) FILTER (WHERE a.type = 'started'
            OR a.type = 'completed' AND a.data ->> 'moved' IS NULL),
        count(*) FILTER (
            WHERE a.type IN ('failed', 'crashed', 'abandoned', 'finished')),
        count(*) FILTER (WHERE a.xid <> own_xid
            OR a.at < transaction_timestamp() OR a.at > now_at
            OR jsonb_typeof(a.data) <> 'object' OR a.attempt < 0),
        max(a.seq), min(a.job_day), max(a.job_day),
        min(a.job_id) FILTER (WHERE a.type = 'enqueued'),
        max(a.job_id) FILTER (WHERE a.type = 'enqueued'),
        sum((a.data ->> 'items')::integer) FILTER (WHERE a.type = 'enqueued')
    INTO total, of_jobs, births, derived, steps, troubles, suspects, newest,
        day, last_day, the_job, last_job, items
    FROM added a;
    IF total = 0 THEN
        RETURN NULL;
    END IF;
    IF suspects > 0 OR newest > currval('evtrack.event_seq') THEN
        SELECT a.* INTO e FROM added a
        WHERE a.attempt < 0
            OR evtrack.is_forged(a.xid, a.at, a.seq, a.data) LIMIT 1;
        IF FOUND THEN
            PERFORM evtrack.refuse_event(e);
        END IF;
    END IF;

    IF of_jobs > 0 THEN
        PERFORM evtrack.fold_jobs(array(
            SELECT ROW(a.*)::evtrack.event FROM added a WHERE a.batch_no = 0
            ORDER BY a.job_id, a.version));
        folded := of_jobs;
    END IF;

    -- A submitted batch has a number that its job has given out; others are not
    -- born, and refused below. Nearly always there is one job.
    WHILE births > derived LOOP
        SELECT j.job_day, j.batch_count, j.digest_form, j.fresh_after
        INTO born FROM evtrack.job j WHERE j.job_id = the_job;
        INSERT INTO evtrack.batch (
            job_day, job_id, batch_no, status, fresh, version, attempt,
            errors, crashes, losses, item_count, weight, ordinals,
            parent_no, enqueued_at, error, links)
        SELECT
            a.job_day, a.job_id, a.batch_no,
            evtrack.status_after('enqueued', NULL), true, 1, a.attempt,
            coalesce((a.data ->> 'errors')::smallint, 0),
            coalesce((a.data ->> 'crashes')::smallint, 0),
            coalesce((a.data ->> 'losses')::smallint, 0),
            (a.data ->> 'items')::integer,
            coalesce(a.data ->> 'weight', a.data ->> 'items')::bigint,
            -- Older code wrote all ordinals; since they follow each other,
            -- the first is enough.
            coalesce((a.data ->> 'ordinals')::int4multirange,
                CASE WHEN (a.data ->> 'first')::integer > 0
                    AND (a.data ->> 'items')::integer > 0
                    THEN int4multirange(int4range(
                        (a.data ->> 'first')::integer,
                        (a.data ->> 'first')::integer
                            + (a.data ->> 'items')::integer)) END),
            (a.data ->> 'parent')::integer, a.at, a.data ->> 'error',
            evtrack.next_links(
                CASE born.digest_form WHEN 2 THEN ''::bytea END, 0,
                a.job_id, a.batch_no, a.version, a.type, a.attempt,
                a.worker_id, a.at, a.seq, a.xid, a.data)
        FROM added a
        WHERE a.type = 'enqueued' AND a.version = 1
            AND a.job_id = the_job AND a.job_day = born.job_day
            AND a.batch_no BETWEEN 1 AND born.batch_count
            AND a.data -> 'root' IS NULL;
        GET DIAGNOSTICS n = ROW_COUNT;
        IF n < births THEN -- several jobs, or batches that are not born here
            SELECT sum((a.data ->> 'items')::integer) INTO items
            FROM added a
            WHERE a.type = 'enqueued' AND a.version = 1
                AND a.job_id = the_job AND a.job_day = born.job_day
                AND a.batch_no BETWEEN 1 AND born.batch_count
                AND a.data -> 'root' IS NULL;
        END IF;
        IF n > 0 THEN
            folded := folded
                + evtrack.count_change(the_job, NULL, 'pending', n, 0, items);
        END IF;
        -- Whoever writes: enqueue() and add_batches() never go back.
        IF born.fresh_after > 0 THEN
            UPDATE evtrack.job j SET fresh_after = b.first_no - 1
            FROM (
                SELECT min(a.batch_no) AS first_no FROM added a
                WHERE a.type = 'enqueued' AND a.job_id = the_job
                    AND a.batch_no > 0 AND a.data -> 'root' IS NULL
            ) b
            WHERE j.job_id = the_job AND b.first_no <= j.fresh_after;
        END IF;
        EXIT WHEN the_job = last_job;
        SELECT min(a.job_id) INTO the_job FROM added a
        WHERE a.type = 'enqueued' AND a.job_id > the_job;
    END LOOP;

    IF folded + steps < total THEN
        SELECT array_agg(ROW(a.*)::evtrack.event),
            count(*) FILTER (WHERE a.type = 'failed' AND a.version > 2),
            count(*) FILTER (
                WHERE a.type = 'completed' AND a.data ->> 'moved' IS NOT NULL)
        INTO others, failures, moves
        FROM added a WHERE a.type <> 'started'
            AND (a.type <> 'enqueued' OR a.data -> 'root' IS NOT NULL);
        IF derived > 0 THEN
            folded := folded + evtrack.fold_derived(others);
        END IF;
    END IF;

    -- Each round takes the next step of every batch that has one. A day is a
    -- partition, and a plan for one partition starts much faster than one that
    -- could need them all: nearly always there is one round of one day.
    WHILE folded < total LOOP
        stepped := 0;
        IF steps > 0 THEN
            WITH step AS (
                UPDATE evtrack.batch b SET
                    status = CASE a.type WHEN 'started'
                        THEN evtrack.status_after('started', 'pending')
                        ELSE evtrack.status_after('completed', 'running') END,
                    version = a.version, fresh = false, run_at = NULL,
                    attempt = a.attempt, worker_id = a.worker_id,
                    started_at = CASE a.type WHEN 'started' THEN a.at
                        ELSE b.started_at END,
                    finished_at = CASE a.type WHEN 'completed' THEN a.at END,
                    run_s = CASE a.type WHEN 'started' THEN b.run_s
                        ELSE (a.data ->> 'run_s')::float8 END,
                    error = CASE a.type WHEN 'started' THEN b.error END,
                    links = evtrack.next_links(b.links, b.version,
                        a.job_id, a.batch_no, a.version, a.type,
                        a.attempt, a.worker_id, a.at, a.seq, a.xid,
                        a.data)
                FROM added a
                WHERE a.job_day = day AND b.job_day = day
                    AND b.job_id = a.job_id AND b.batch_no = a.batch_no
                    AND b.version = a.version - 1 AND CASE a.type
                        WHEN 'started' THEN b.status = 'pending'
                            AND b.attempt = a.attempt - 1
                            AND a.worker_id IS NOT NULL
                        WHEN 'completed' THEN b.status = 'running'
                            AND b.attempt = a.attempt
                            AND b.worker_id = a.worker_id
                            AND a.data ->> 'moved' IS NULL
                        ELSE false END
                RETURNING b.job_id, b.item_count, a.type
            ), change AS (
                SELECT job_id, count(*) FILTER (WHERE type = 'started') AS started,
                    count(*) AS n,
                    coalesce(sum(item_count) FILTER (WHERE type = 'started'), 0)
                        AS started_items,
                    sum(item_count) AS items
                FROM step GROUP BY job_id
            ), counted AS (
                -- As evtrack.count_change() does, with one row for both.
                INSERT INTO evtrack.progress AS p (
                    job_id, shard, bucket, pending_batches, pending_items,
                    running_batches, running_items, completed_batches,
                    completed_items)
                SELECT c.job_id, pg_backend_pid(), evtrack.bucket(),
                    -c.started, -c.started_items, 2 * c.started - c.n,
                    2 * c.started_items - c.items, c.n - c.started,
                    c.items - c.started_items
                FROM change c
                ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
                    pending_batches = p.pending_batches
                        + excluded.pending_batches,
                    pending_items = p.pending_items + excluded.pending_items,
                    running_batches = p.running_batches
                        + excluded.running_batches,
                    running_items = p.running_items + excluded.running_items,
                    completed_batches = p.completed_batches
                        + excluded.completed_batches,
                    completed_items = p.completed_items
                        + excluded.completed_items
            )
            SELECT coalesce(sum(c.n), 0) INTO n FROM change c;
            stepped := stepped + n;
        END IF;
        IF moves > 0 THEN
            stepped := stepped + evtrack.fold_moved(others, day);
        END IF;
        IF failures > 0 THEN
            stepped := stepped + evtrack.fold_failures(others, day);
        END IF;
        IF others IS NOT NULL AND folded + stepped < total THEN
            stepped := stepped + evtrack.fold_steps(others, day);
        END IF;
        folded := folded + stepped;
        IF stepped = 0 THEN
            EXIT WHEN day = last_day;
            SELECT min(a.job_day) INTO day FROM added a WHERE a.job_day > day;
        END IF;
    END LOOP;

    IF folded < total THEN
        SELECT a.* INTO e
        FROM added a
        LEFT JOIN evtrack.batch b ON b.job_day = a.job_day
            AND b.job_id = a.job_id AND b.batch_no = a.batch_no
        WHERE a.batch_no <> 0
            AND (coalesce(b.version, 0) < a.version OR a.version < 1)
        ORDER BY a.job_id, a.batch_no, a.version LIMIT 1;
        PERFORM evtrack.refuse_event(e);
    END IF;

    IF troubles > 0 THEN
        IF others IS NULL THEN
            SELECT array_agg(ROW(a.*)::evtrack.event) INTO others
            FROM added a WHERE a.type NOT IN ('enqueued', 'started');
        END IF;
        PERFORM evtrack.alert_of(others);
    END IF;
    RETURN NULL;
END $$;
