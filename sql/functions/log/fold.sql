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
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    total bigint;
    of_jobs bigint;
    births bigint;
    starts bigint;
    completions bigint;
    troubles bigint;
    forged bigint;
    day date;
    last_day date;
    folded bigint := 0;
    stepped bigint;
    n bigint;
    others evtrack.event[];
    failures bigint := 0;
    moves bigint := 0;
    e evtrack.event;
    born record;
BEGIN
    SELECT
        count(*),
        count(*) FILTER (WHERE a.batch_no = 0),
        count(*) FILTER (WHERE a.type = 'enqueued'),
        count(*) FILTER (WHERE a.type = 'started'),
        count(*) FILTER (
            WHERE a.type = 'completed' AND a.data ->> 'moved' IS NULL),
        count(*) FILTER (
            WHERE a.type IN ('failed', 'crashed', 'abandoned', 'finished')),
        count(*) FILTER (
            WHERE evtrack.is_forged(a.xid, a.at, a.seq, a.data)),
        min(a.job_day), max(a.job_day)
    INTO total, of_jobs, births, starts, completions, troubles,
        forged, day, last_day
    FROM added a;
    IF forged > 0 THEN
        SELECT a.* INTO e FROM added a
        WHERE evtrack.is_forged(a.xid, a.at, a.seq, a.data) LIMIT 1;
        PERFORM evtrack.refuse_event(e);
    END IF;

    IF of_jobs > 0 THEN
        PERFORM evtrack.fold_jobs(array(
            SELECT ROW(a.*)::evtrack.event FROM added a WHERE a.batch_no = 0
            ORDER BY a.job_id, a.version));
        folded := of_jobs;
    END IF;

    -- A submitted batch has a number that its job has given out. The job is
    -- looked up once, not for each of its batches, and nearly always there is
    -- one.
    IF births > 0 THEN
        FOR born IN
            SELECT b.*, j.batch_count
            FROM (
                SELECT a.job_id, a.job_day, max(a.batch_no) AS last_no,
                    count(*) AS n, sum((a.data ->> 'items')::integer) AS items
                FROM added a
                WHERE a.type = 'enqueued' AND a.batch_no > 0 AND a.version = 1
                    AND a.data -> 'root' IS NULL
                GROUP BY a.job_id, a.job_day
            ) b
            LEFT JOIN evtrack.job j ON j.job_id = b.job_id
                AND j.job_day = b.job_day
        LOOP
            IF born.last_no > coalesce(born.batch_count, 0) THEN
                SELECT a.* INTO e FROM added a
                WHERE a.type = 'enqueued' AND a.job_id = born.job_id
                    AND a.job_day = born.job_day
                    AND a.batch_no > coalesce(born.batch_count, 0)
                    AND a.data -> 'root' IS NULL
                ORDER BY a.batch_no LIMIT 1;
                PERFORM evtrack.refuse_event(e);
            END IF;
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
                (a.data ->> 'items')::integer, (a.data ->> 'weight')::bigint,
                (a.data ->> 'ordinals')::int4multirange,
                (a.data ->> 'parent')::integer, a.at, a.data ->> 'error',
                evtrack.extend_links(NULL, 0, evtrack.event_text(
                    a.job_id, a.batch_no, a.version, a.type, a.attempt,
                    a.worker_id, a.at, a.seq, a.xid, a.data))
            FROM added a
            WHERE a.type = 'enqueued' AND a.batch_no > 0 AND a.version = 1
                AND a.job_id = born.job_id AND a.job_day = born.job_day
                AND a.data -> 'root' IS NULL;
            folded := folded + evtrack.count_change(
                born.job_id, NULL, 'pending', born.n, 0, born.items);
        END LOOP;
    END IF;

    IF folded + starts + completions < total THEN
        SELECT array_agg(ROW(a.*)::evtrack.event),
            count(*) FILTER (WHERE a.type = 'failed' AND a.version > 2),
            count(*) FILTER (
                WHERE a.type = 'completed' AND a.data ->> 'moved' IS NOT NULL)
        INTO others, failures, moves
        FROM added a WHERE a.type <> 'started'
            AND (a.type <> 'enqueued' OR a.data -> 'root' IS NOT NULL);
        IF births > 0 THEN
            folded := folded + evtrack.fold_derived(others);
        END IF;
    END IF;

    -- Each round takes the next step of every batch that has one. A day is a
    -- partition, and a plan for one partition starts much faster than one that
    -- could need them all: nearly always there is one round of one day.
    WHILE folded < total LOOP
        stepped := 0;
        IF starts > 0 THEN
            WITH step AS (
                UPDATE evtrack.batch b SET
                    status = evtrack.status_after('started', 'pending'),
                    version = a.version, fresh = false, run_at = NULL,
                    attempt = a.attempt, worker_id = a.worker_id,
                    started_at = a.at, finished_at = NULL,
                    links = evtrack.extend_links(b.links, b.version,
                        evtrack.event_text(
                            a.job_id, a.batch_no, a.version, a.type, a.attempt,
                            a.worker_id, a.at, a.seq, a.xid, a.data))
                FROM added a
                WHERE a.type = 'started' AND a.job_day = day
                    AND b.job_day = day
                    AND b.job_id = a.job_id AND b.batch_no = a.batch_no
                    AND b.version = a.version - 1 AND b.status = 'pending'
                    AND b.attempt = a.attempt - 1 AND a.worker_id IS NOT NULL
                RETURNING b.job_id, b.item_count
            )
            SELECT coalesce(sum(evtrack.count_change(
                s.job_id, 'pending', 'running', s.n, s.items, s.items)), 0)
            INTO n
            FROM (
                SELECT job_id, count(*) AS n, sum(item_count) AS items
                FROM step GROUP BY job_id
            ) s;
            stepped := stepped + n;
        END IF;
        IF completions > 0 THEN
            WITH step AS (
                UPDATE evtrack.batch b SET
                    status = evtrack.status_after('completed', 'running'),
                    version = a.version, finished_at = a.at,
                    run_s = (a.data ->> 'run_s')::float8, error = NULL,
                    links = evtrack.extend_links(b.links, b.version,
                        evtrack.event_text(
                            a.job_id, a.batch_no, a.version, a.type, a.attempt,
                            a.worker_id, a.at, a.seq, a.xid, a.data))
                FROM added a
                WHERE a.type = 'completed' AND a.data ->> 'moved' IS NULL
                    AND a.job_day = day AND b.job_day = day
                    AND b.job_id = a.job_id AND b.batch_no = a.batch_no
                    AND b.version = a.version - 1 AND b.status = 'running'
                    AND b.attempt = a.attempt AND b.worker_id = a.worker_id
                RETURNING b.job_id, b.item_count
            )
            SELECT coalesce(sum(evtrack.count_change(
                s.job_id, 'running', 'completed', s.n, s.items, s.items)), 0)
            INTO n
            FROM (
                SELECT job_id, count(*) AS n, sum(item_count) AS items
                FROM step GROUP BY job_id
            ) s;
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
        WHERE a.batch_no > 0 AND coalesce(b.version, 0) < a.version
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
