-- Bear the batches that are made from others. Each takes the next number of its
-- job, and counts as retried from birth. Nearly all are made of items that have
-- failed: such a batch fails, and is requeued, in the statement in which it is
-- born, and its row is written once, as it is after these steps. Returns how many
-- events that were. Called by evtrack.fold() only, and planned under its
-- settings.
CREATE OR REPLACE FUNCTION evtrack.fold_derived(events evtrack.event[])
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
    d record;
BEGIN
    WITH next AS (
        SELECT e.*, lead(e.link) OVER stream AS failed_link,
            lead(e.link, 2) OVER stream AS requeued_link,
            lead(e.one) OVER stream AS failed,
            lead(e.one, 2) OVER stream AS requeued
        FROM (
            SELECT a AS one, a.job_day, a.job_id, a.batch_no, a.version, a.type,
                a.attempt, a.at, a.data, t.size, CASE
                    WHEN a.type = 'enqueued'
                        THEN substring(sha256(t.bytes), 1, t.size)
                    ELSE t.bytes END AS link
            FROM unnest(events) a
            JOIN evtrack.job j ON j.job_id = a.job_id
            CROSS JOIN LATERAL (
                SELECT evtrack.digest_size(j.digest_form) AS size,
                    evtrack.digest_content(
                        j.digest_form, a.job_id, a.batch_no, a.version, a.type,
                        a.attempt, a.worker_id, a.at, a.seq, a.xid, a.data
                    ) AS bytes
            ) t
            WHERE a.batch_no > 0 AND a.type IN ('enqueued', 'failed', 'requeued')
                AND a.version <= 3
            -- Sorted here, so that each text is made once.
            ORDER BY a.job_day, a.job_id, a.batch_no, a.version
        ) e
        WINDOW stream AS (
            PARTITION BY e.job_day, e.job_id, e.batch_no ORDER BY e.version)
    ), birth AS (
        SELECT n.*, CASE WHEN ((n.failed).type = 'failed'
                AND (n.failed).version = 2
                AND (n.failed).attempt = n.attempt) IS NOT TRUE THEN 1
            WHEN ((n.requeued).type = 'requeued' AND (n.requeued).version = 3
                AND (n.requeued).attempt = n.attempt
                AND NOT (n.requeued).data ?| '{reset,isolation}') IS NOT TRUE
                THEN 2
            ELSE 3 END AS steps
        FROM next n
        WHERE n.type = 'enqueued' AND n.version = 1
            AND n.data -> 'root' IS NOT NULL
    ), born AS (
        INSERT INTO evtrack.batch (
            job_day, job_id, batch_no, status, fresh, version, attempt,
            errors, crashes, losses, exclusive_losses, isolation, item_count,
            weight, ordinals, root_no, parent_no, run_at, run_s, enqueued_at,
            finished_at, error, links)
        SELECT
            b.job_day, b.job_id, b.batch_no,
            CASE b.steps WHEN 2 THEN evtrack.status_after('failed', 'pending')
                ELSE evtrack.status_after('enqueued', NULL) END,
            false, b.steps, b.attempt,
            coalesce((b.data ->> 'errors')::smallint, 0)
                + (b.steps > 1)::integer,
            coalesce((b.data ->> 'crashes')::smallint, 0),
            coalesce((b.data ->> 'losses')::smallint, 0),
            coalesce((b.data ->> 'exclusive_losses')::smallint, 0),
            coalesce((b.data ->> 'isolation')::evtrack.isolation, 'none'),
            (b.data ->> 'items')::integer, (b.data ->> 'weight')::bigint,
            (b.data ->> 'ordinals')::int4multirange,
            (b.data ->> 'root')::integer, (b.data ->> 'parent')::integer,
            CASE b.steps
                WHEN 1 THEN coalesce((b.data ->> 'run_at')::timestamptz, b.at)
                WHEN 3 THEN coalesce(
                    ((b.requeued).data ->> 'run_at')::timestamptz,
                    (b.requeued).at) END,
            CASE WHEN b.steps > 1
                THEN ((b.failed).data ->> 'run_s')::float8 END,
            b.at, CASE b.steps WHEN 2 THEN (b.failed).at END,
            CASE WHEN b.steps > 1 THEN left(coalesce(
                (b.failed).data #>> '{error,message}', b.data ->> 'error'), 300)
                ELSE b.data ->> 'error' END,
            b.link
                || CASE WHEN b.steps > 1 THEN substring(
                    sha256(b.link || b.failed_link), 1, b.size) ELSE '' END
                || CASE WHEN b.steps > 2 THEN substring(sha256(
                    substring(sha256(b.link || b.failed_link), 1, b.size)
                    || b.requeued_link), 1, b.size) ELSE '' END
        FROM birth b
        WHERE b.batch_no > (
            SELECT j.batch_count FROM evtrack.job j
            WHERE j.job_id = b.job_id AND j.job_day = b.job_day)
        RETURNING job_id, status, version, item_count
    )
    SELECT coalesce(sum(b.steps + 0 * evtrack.count_change(
            b.job_id, NULL, 'pending', b.n, 0, b.items)
        + CASE WHEN b.failed > 0 THEN 0 * evtrack.count_change(b.job_id,
            'pending', 'failed', b.failed, b.failed_items, b.failed_items)
            ELSE 0 END), 0)
    INTO folded
    FROM (
        SELECT job_id, count(*) AS n, sum(item_count) AS items,
            sum(version) AS steps,
            count(*) FILTER (WHERE status = 'failed') AS failed,
            sum(item_count) FILTER (WHERE status = 'failed') AS failed_items
        FROM born GROUP BY job_id
    ) b;
    IF folded = 0 THEN RETURN 0; END IF;
    -- Without a gap: the next one counts on from the last.
    FOR d IN
        SELECT a.job_id, max(a.batch_no) AS last, count(*) AS n
        FROM unnest(events) a
        WHERE a.type = 'enqueued' AND a.data -> 'root' IS NOT NULL
        GROUP BY a.job_id
    LOOP
        UPDATE evtrack.job j SET batch_count = d.last
        WHERE j.job_id = d.job_id AND j.batch_count + d.n = d.last;
        IF NOT FOUND THEN
            PERFORM evtrack.refuse_event(a) FROM unnest(events) a
            WHERE a.type = 'enqueued' AND a.job_id = d.job_id
                AND a.batch_no = d.last;
        END IF;
    END LOOP;
    RETURN folded;
END $$;
