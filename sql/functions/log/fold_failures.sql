-- Take the steps of the running batches of this day that fail, and those of them
-- that are requeued in the same statement, with one change of each row.
-- fold_steps() would take the same steps, one by one and at twice the cost, and
-- takes those that do not fit. Returns how many events that were. Called by
-- evtrack.fold() only, and planned under its settings.
CREATE OR REPLACE FUNCTION evtrack.fold_failures(
    events evtrack.event[], day date
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    WITH next AS (
        SELECT e.*, lead(e.one) OVER stream AS requeued,
            lead(e.bytes) OVER stream AS requeued_bytes
        FROM (
            SELECT a AS one, a.job_id, a.batch_no, a.version, a.type, a.attempt,
                a.worker_id, a.at, a.data, t.size, t.bytes
            FROM unnest(events) a
            JOIN evtrack.job j ON j.job_id = a.job_id
            CROSS JOIN LATERAL (
                SELECT evtrack.digest_size(j.digest_form) AS size,
                    evtrack.digest_content(
                        j.digest_form, a.job_id, a.batch_no, a.version, a.type,
                        a.attempt, a.worker_id, a.at, a.seq, a.xid, a.data
                    ) AS bytes
            ) t
            WHERE a.type IN ('failed', 'requeued') AND a.job_day = day
                -- A running batch was enqueued and started before.
                AND a.batch_no > 0 AND a.version > 2
            -- Sorted here, so that each text is made once.
            ORDER BY a.job_id, a.batch_no, a.version
        ) e
        WINDOW stream AS (
            PARTITION BY e.job_id, e.batch_no ORDER BY e.version)
    ), due AS (
        SELECT n.*, ((n.requeued).type = 'requeued'
            AND (n.requeued).version = n.version + 1
            AND (n.requeued).attempt = n.attempt
            AND NOT (n.requeued).data ?| '{reset,isolation}') IS TRUE AS again
        FROM next n WHERE n.type = 'failed'
    ), step AS (
        UPDATE evtrack.batch b SET
            status = CASE WHEN d.again
                THEN evtrack.status_after('requeued', 'failed')
                ELSE evtrack.status_after('failed', 'running') END,
            version = d.version + d.again::integer,
            finished_at = CASE WHEN d.again THEN NULL ELSE d.at END,
            run_at = CASE WHEN d.again THEN coalesce(
                ((d.requeued).data ->> 'run_at')::timestamptz,
                (d.requeued).at) END,
            run_s = coalesce((d.data ->> 'run_s')::float8, b.run_s),
            errors = b.errors + 1,
            error = left(coalesce(d.data #>> '{error,message}', b.error), 300),
            links = b.links || substring(sha256(substring(b.links,
                    octet_length(b.links) - d.size + 1) || d.bytes), 1, d.size)
                || CASE WHEN d.again THEN substring(sha256(
                    substring(sha256(substring(b.links,
                        octet_length(b.links) - d.size + 1) || d.bytes), 1,
                        d.size)
                    || d.requeued_bytes), 1, d.size) ELSE '' END
        FROM due d
        WHERE b.job_day = day
            AND b.job_id = d.job_id AND b.batch_no = d.batch_no
            AND b.version = d.version - 1 AND b.status = 'running'
            AND b.attempt = d.attempt AND b.worker_id = d.worker_id
            AND b.links IS NOT NULL
        RETURNING b.job_id, d.again, b.item_count
    )
    SELECT coalesce(sum(evtrack.count_change(s.job_id, 'running',
        CASE WHEN s.again THEN 'pending' ELSE 'failed' END,
        s.n, s.items, s.items) * CASE WHEN s.again THEN 2 ELSE 1 END), 0)
    INTO folded
    FROM (
        SELECT job_id, again, count(*) AS n, sum(item_count) AS items
        FROM step GROUP BY job_id, again
    ) s;
    RETURN folded;
END $$;
