-- The fold: every INSERT into the log is folded into the projection in its
-- own transaction, and refused whole when one step of it is not legal. So the
-- projection is a function of the log, whoever writes. Each round of the loop
-- applies the next version of every stream that has one; a statement with one
-- event a stream, which is nearly every one, needs a single round.
CREATE OR REPLACE FUNCTION evtrack.fold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The transition table has no statistics and a plan is kept for the session:
-- one made while the tables are empty must still be good when they are full.
-- Of all ways to join, a bitmap scan by the primary key alone is left: an
-- index scan could also walk all batches and look for each among the events.
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET enable_indexscan = off
SET enable_indexonlyscan = off
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    total bigint;
    of_jobs bigint;
    enqueues bigint;
    starts bigint;
    completions bigint;
    forged bigint;
    folded bigint := 0;
    derived bigint;
    stepped bigint;
    n bigint;
    day date;
    last_day date;
    e evtrack.event;
BEGIN
    SELECT
        count(*),
        count(*) FILTER (WHERE a.batch_no = 0),
        count(*) FILTER (WHERE a.batch_no > 0 AND a.type = 'enqueued'),
        count(*) FILTER (WHERE a.type = 'started'),
        count(*) FILTER (
            WHERE a.type = 'completed' AND a.data -> 'moved' IS NULL),
        count(*) FILTER (WHERE a.xid <> pg_current_xact_id()
            OR a.at < transaction_timestamp() OR a.at > clock_timestamp()
            OR a.seq > currval('evtrack.event_seq')
            OR jsonb_typeof(a.data) <> 'object'),
        min(a.job_day), max(a.job_day)
    INTO total, of_jobs, enqueues, starts, completions, forged, day, last_day
    FROM added a;
    IF forged > 0 THEN
        SELECT a.* INTO e FROM added a
        WHERE a.xid <> pg_current_xact_id()
            OR a.at < transaction_timestamp() OR a.at > clock_timestamp()
            OR a.seq > currval('evtrack.event_seq')
            OR jsonb_typeof(a.data) <> 'object'
        LIMIT 1;
        PERFORM evtrack.refuse_event(e);
    END IF;

    IF of_jobs > 0 THEN
        FOR e IN
            SELECT a.* FROM added a WHERE a.batch_no = 0
            ORDER BY a.job_id, a.version
        LOOP
            IF NOT evtrack.fold_job(e) THEN
                PERFORM evtrack.refuse_event(e);
            END IF;
        END LOOP;
        folded := of_jobs;
    END IF;

    -- A submitted batch has a number that its job has given out; a derived one
    -- (root, parent) takes the next and is a returning one from birth.
    IF enqueues > 0 THEN
        WITH born AS (
            INSERT INTO evtrack.batch (
                job_day, job_id, batch_no, status, fresh, version, attempt,
                errors, crashes, losses, item_count, weight, ordinals,
                root_no, parent_no, run_at, enqueued_at, error, links)
            SELECT
                a.job_day, a.job_id, a.batch_no, 'pending',
                a.data -> 'root' IS NULL, 1, a.attempt,
                coalesce((a.data ->> 'errors')::smallint, 0),
                coalesce((a.data ->> 'crashes')::smallint, 0),
                coalesce((a.data ->> 'losses')::smallint, 0),
                (a.data ->> 'items')::integer, (a.data ->> 'weight')::bigint,
                (a.data ->> 'ordinals')::int4multirange,
                (a.data ->> 'root')::integer, (a.data ->> 'parent')::integer,
                CASE WHEN a.data -> 'root' IS NOT NULL
                    THEN coalesce((a.data ->> 'run_at')::timestamptz, a.at) END,
                a.at, a.data ->> 'error',
                evtrack.extend_links(NULL, 0, evtrack.event_text(
                    a.job_id, a.batch_no, a.version, a.type, a.attempt,
                    a.worker_id, a.at, a.seq, a.xid, a.data))
            FROM added a
            JOIN evtrack.job j ON j.job_id = a.job_id
            WHERE a.type = 'enqueued' AND a.batch_no > 0 AND a.version = 1
                AND j.job_day = a.job_day
                AND (a.data -> 'root' IS NOT NULL)
                    = (a.batch_no > j.batch_count)
            RETURNING job_id, batch_no, root_no, item_count
        ), counted AS (
            INSERT INTO evtrack.progress AS p (
                job_id, shard, bucket, pending_batches, pending_items)
            SELECT job_id, pg_backend_pid(), evtrack.bucket(),
                count(*), sum(item_count)
            FROM born GROUP BY job_id
            ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
                pending_batches = p.pending_batches + excluded.pending_batches,
                pending_items = p.pending_items + excluded.pending_items
        )
        SELECT count(*), count(root_no) INTO n, derived FROM born;
        folded := folded + n;
        IF derived > 0 THEN
            -- Without a gap: who comes next counts on from the last.
            UPDATE evtrack.job j SET batch_count = j.batch_count + d.n
            FROM (
                SELECT a.job_id, max(a.batch_no) AS last, count(*) AS n
                FROM added a
                WHERE a.type = 'enqueued' AND a.data -> 'root' IS NOT NULL
                GROUP BY a.job_id
            ) d
            WHERE j.job_id = d.job_id AND j.batch_count + d.n = d.last;
            GET DIAGNOSTICS n = ROW_COUNT;
            IF n < (
                SELECT count(DISTINCT a.job_id) FROM added a
                WHERE a.type = 'enqueued' AND a.data -> 'root' IS NOT NULL
            ) THEN
                SELECT a.* INTO e FROM added a
                WHERE a.type = 'enqueued' AND a.data -> 'root' IS NOT NULL
                ORDER BY a.job_id, a.batch_no DESC LIMIT 1;
                PERFORM evtrack.refuse_event(e);
            END IF;
        END IF;
    END IF;

    -- A day is a partition, and a plan for one partition starts much faster
    -- than one that could need them all. Nearly always there is one day.
    WHILE folded < total LOOP
        stepped := 0;

        IF starts > 0 THEN
            WITH moved AS (
                UPDATE evtrack.batch b SET
                    status = 'running', version = a.version, fresh = false,
                    run_at = NULL, attempt = a.attempt,
                    worker_id = a.worker_id, started_at = a.at,
                    finished_at = NULL,
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
            ), counted AS (
                INSERT INTO evtrack.progress AS p (
                    job_id, shard, bucket, pending_batches, pending_items,
                    running_batches, running_items)
                SELECT job_id, pg_backend_pid(), evtrack.bucket(),
                    -count(*), -sum(item_count), count(*), sum(item_count)
                FROM moved GROUP BY job_id
                ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
                    pending_batches
                    = p.pending_batches + excluded.pending_batches,
                    pending_items = p.pending_items + excluded.pending_items,
                    running_batches
                    = p.running_batches + excluded.running_batches,
                    running_items = p.running_items + excluded.running_items
            )
            SELECT count(*) INTO n FROM moved;
            stepped := stepped + n;
        END IF;

        IF completions > 0 THEN
            WITH moved AS (
                UPDATE evtrack.batch b SET
                    status = 'completed', version = a.version,
                    finished_at = a.at, run_s = (a.data ->> 'run_s')::float8,
                    error = NULL,
                    links = evtrack.extend_links(b.links, b.version,
                        evtrack.event_text(
                            a.job_id, a.batch_no, a.version, a.type, a.attempt,
                            a.worker_id, a.at, a.seq, a.xid, a.data))
                FROM added a
                WHERE a.type = 'completed' AND a.data -> 'moved' IS NULL
                    AND a.job_day = day AND b.job_day = day
                    AND b.job_id = a.job_id AND b.batch_no = a.batch_no
                    AND b.version = a.version - 1 AND b.status = 'running'
                    AND b.attempt = a.attempt AND b.worker_id = a.worker_id
                RETURNING b.job_id, b.item_count
            ), counted AS (
                INSERT INTO evtrack.progress AS p (
                    job_id, shard, bucket, running_batches, running_items,
                    completed_batches, completed_items)
                SELECT job_id, pg_backend_pid(), evtrack.bucket(),
                    -count(*), -sum(item_count), count(*), sum(item_count)
                FROM moved GROUP BY job_id
                ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
                    running_batches
                    = p.running_batches + excluded.running_batches,
                    running_items = p.running_items + excluded.running_items,
                    completed_batches
                    = p.completed_batches + excluded.completed_batches,
                    completed_items
                    = p.completed_items + excluded.completed_items
            )
            SELECT count(*) INTO n FROM moved;
            stepped := stepped + n;
        END IF;

        -- All the rest, which is rare: any type, from whatever status.
        IF of_jobs + enqueues + starts + completions < total THEN
            WITH step AS (
                -- With `moved`, a split takes some items out, and the batch
                -- stays what it is with the others.
                SELECT a.*, b.status AS was, b.item_count AS items_were,
                    a.type = 'late_result' OR a.type = 'split'
                        AND a.data -> 'moved' IS NOT NULL AS stays
                FROM added a
                JOIN evtrack.batch b ON b.job_day = day
                    AND b.job_id = a.job_id AND b.batch_no = a.batch_no
                    AND b.version = a.version - 1
                WHERE a.job_day = day AND a.batch_no > 0 AND CASE a.type
                    WHEN 'completed' THEN a.data -> 'moved' IS NOT NULL
                        AND b.status IN ('running', 'crashed')
                        AND a.attempt = b.attempt
                        AND a.worker_id = b.worker_id
                    WHEN 'failed' THEN a.attempt = b.attempt
                        AND (b.status = 'running'
                                AND a.worker_id = b.worker_id
                            OR b.status = 'pending'
                                AND b.root_no IS NOT NULL)
                    WHEN 'crashed' THEN a.attempt = b.attempt
                        AND (b.status = 'running'
                                AND a.worker_id = b.worker_id
                            OR b.status = 'pending'
                                AND b.root_no IS NOT NULL)
                    WHEN 'requeued' THEN a.attempt = b.attempt
                        AND (b.status = 'running'
                                AND a.worker_id = b.worker_id
                            OR b.status IN ('failed', 'crashed'))
                    WHEN 'split' THEN a.attempt = b.attempt AND (
                        b.status IN ('pending', 'failed', 'crashed')
                        -- What runs is in its worker's hands as a whole.
                        OR b.status = 'running' AND a.data -> 'moved' IS NULL)
                    WHEN 'cancelled' THEN b.status
                        IN ('pending', 'failed', 'crashed')
                    WHEN 'late_result' THEN a.attempt <= b.attempt
                    ELSE false END
            ), moved AS (
                UPDATE evtrack.batch b SET
                    version = s.version,
                    status = CASE
                        WHEN s.stays THEN b.status::text
                        WHEN s.type = 'requeued' THEN 'pending'
                        ELSE s.type::text END::evtrack.status,
                    fresh = b.fresh AND s.stays,
                    run_at = CASE
                        WHEN s.type = 'requeued' THEN coalesce(
                            (s.data ->> 'run_at')::timestamptz, s.at)
                        WHEN s.stays THEN b.run_at END,
                    finished_at = CASE
                        WHEN s.type = 'requeued' THEN NULL
                        WHEN s.stays THEN b.finished_at
                        ELSE s.at END,
                    run_s = CASE
                        WHEN s.stays THEN b.run_s
                        ELSE coalesce((s.data ->> 'run_s')::float8, b.run_s) END,
                    item_count = b.item_count - CASE
                        WHEN s.type IN ('completed', 'split') THEN coalesce(
                            (s.data ->> 'moved_items')::integer, 0)
                        ELSE 0 END,
                    ordinals = CASE
                        WHEN s.type IN ('completed', 'split') THEN b.ordinals
                            - coalesce((s.data ->> 'moved')::int4multirange,
                                '{}')
                        ELSE b.ordinals END,
                    errors = CASE
                        WHEN s.data -> 'reset' = 'true' THEN 0
                        WHEN s.type = 'failed' THEN b.errors + 1
                        ELSE b.errors END,
                    crashes = CASE
                        WHEN s.data -> 'reset' = 'true' THEN 0
                        WHEN s.type = 'crashed' AND s.data ->> 'cause'
                            IS DISTINCT FROM 'worker_lost' THEN b.crashes + 1
                        ELSE b.crashes END,
                    losses = CASE
                        WHEN s.data -> 'reset' = 'true' THEN 0
                        WHEN s.type = 'crashed'
                            AND s.data ->> 'cause' = 'worker_lost'
                            THEN b.losses + 1
                        ELSE b.losses END,
                    error = CASE s.type
                        WHEN 'completed' THEN NULL
                        WHEN 'failed' THEN left(
                            coalesce(s.data #>> '{error,message}', b.error), 300)
                        -- Where a limit is the cause, the signal is only how
                        -- it was enforced.
                        WHEN 'crashed' THEN left(concat_ws(' ',
                            CASE WHEN coalesce(s.data ->> 'cause', 'unknown')
                                IN ('signal', 'unknown')
                                THEN coalesce(s.data ->> 'signal',
                                    s.data ->> 'cause', 'unknown')
                                ELSE s.data ->> 'cause' END,
                            s.data ->> 'exit_code',
                            'at ' || (s.data ->> 'item_key')), 300)
                        ELSE b.error END,
                    links = evtrack.extend_links(b.links, b.version,
                        evtrack.event_text(
                            s.job_id, s.batch_no, s.version, s.type, s.attempt,
                            s.worker_id, s.at, s.seq, s.xid, s.data))
                FROM step s
                WHERE b.job_day = day AND b.job_id = s.job_id
                    AND b.batch_no = s.batch_no AND b.version = s.version - 1
                RETURNING b.job_id, s.was, s.items_were, b.status, b.item_count
            ), change AS (
                SELECT job_id, status, 1 AS batches, item_count AS items
                FROM moved
                UNION ALL
                SELECT job_id, was, -1, -items_were FROM moved
            ), counted AS (
                INSERT INTO evtrack.progress AS p
                SELECT job_id, pg_backend_pid(), evtrack.bucket(),
                    coalesce(sum(batches) FILTER (WHERE status = 'pending'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'pending'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'running'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'running'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'completed'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'completed'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'failed'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'failed'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'crashed'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'crashed'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'split'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'split'), 0),
                    coalesce(sum(batches) FILTER (WHERE status = 'cancelled'), 0),
                    coalesce(sum(items) FILTER (WHERE status = 'cancelled'), 0)
                FROM change GROUP BY job_id
                ON CONFLICT (job_id, shard, bucket) DO UPDATE SET
                    pending_batches = p.pending_batches + excluded.pending_batches,
                    pending_items = p.pending_items + excluded.pending_items,
                    running_batches = p.running_batches + excluded.running_batches,
                    running_items = p.running_items + excluded.running_items,
                    completed_batches = p.completed_batches + excluded.completed_batches,
                    completed_items = p.completed_items + excluded.completed_items,
                    failed_batches = p.failed_batches + excluded.failed_batches,
                    failed_items = p.failed_items + excluded.failed_items,
                    crashed_batches = p.crashed_batches + excluded.crashed_batches,
                    crashed_items = p.crashed_items + excluded.crashed_items,
                    split_batches = p.split_batches + excluded.split_batches,
                    split_items = p.split_items + excluded.split_items,
                    cancelled_batches = p.cancelled_batches + excluded.cancelled_batches,
                    cancelled_items = p.cancelled_items + excluded.cancelled_items
            )
            SELECT count(*) INTO n FROM moved;
            stepped := stepped + n;
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

    IF of_jobs > 0 OR enqueues + starts + completions < total THEN
        PERFORM evtrack.alert_of(array_agg(ROW(a.*)::evtrack.event))
        FROM added a WHERE a.type NOT IN ('enqueued', 'started')
        HAVING bool_or(
            a.type IN ('failed', 'crashed', 'abandoned', 'finished'));
    END IF;
    RETURN NULL;
END $$;
