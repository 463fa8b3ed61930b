-- What workers report, as far as it is still true: the batch is running in that attempt. Each batch is looked up by its
-- key. The history is that of the batches before it in the job and, if these are few, in the handler's latest jobs: it
-- reads a bounded number of rows, however large the log is.
CREATE OR REPLACE VIEW evtrack.running_item AS
SELECT -- noqa: ST06
    x.job_id,
    x.batch_no,
    x.attempt,
    w.worker_id,
    w.name AS worker,
    w.host,
    x.slot,
    x.handler,
    x.item_key,
    x.ordinal,
    b.item_count,
    x.begun_at,
    r.running_s,
    h.attempts AS known_attempts,
    h.p50_s,
    h.p99_s
FROM evtrack.worker AS w
CROSS JOIN
    LATERAL jsonb_to_recordset(w.in_hand) AS x (
        slot bigint, job_id bigint, batch_no integer, attempt integer, handler text, item_key text, ordinal integer,
        begun_at timestamptz
    )
CROSS JOIN
    LATERAL (
        SELECT
            greatest(
                0, round(extract(EPOCH FROM statement_timestamp() - x.begun_at)::numeric, 1)
            )::double precision AS running_s
    ) AS r
INNER JOIN evtrack.job AS j ON x.job_id = j.job_id
INNER JOIN evtrack.batch AS b
    ON
        j.job_day = b.job_day AND x.job_id = b.job_id AND x.batch_no = b.batch_no AND x.attempt = b.attempt
        AND w.worker_id = b.worker_id AND b.status = 'running'
CROSS JOIN
    LATERAL (
        SELECT
            count(*) AS attempts,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY s.run_s) AS p50_s,
            percentile_cont(0.99) WITHIN GROUP (ORDER BY s.run_s) AS p99_s
        FROM (
            SELECT
                CASE
                    WHEN x.ordinal IS NULL OR b.item_count = 1 THEN c.run_s ELSE c.run_s / greatest(c.item_count, 1)
                END AS run_s
            FROM (
                (
                    SELECT
                        near.status,
                        near.run_s,
                        near.item_count
                    FROM evtrack.batch AS near
                    WHERE near.job_day = j.job_day AND near.job_id = j.job_id AND near.batch_no < b.batch_no
                    ORDER BY near.batch_no DESC
                    LIMIT 200
                )
                UNION ALL
                (
                    SELECT
                        old.status,
                        old.run_s,
                        old.item_count
                    FROM (
                        SELECT
                            o.job_id,
                            o.job_day,
                            o.handler
                        FROM evtrack.job AS o
                        WHERE o.job_id < j.job_id
                        ORDER BY o.job_id DESC
                        LIMIT 1000
                    ) AS before
                    CROSS JOIN
                        LATERAL (
                            SELECT
                                first.batch_no,
                                first.status,
                                first.run_s,
                                first.item_count
                            FROM evtrack.batch AS first
                            WHERE first.job_day = before.job_day AND first.job_id = before.job_id
                            ORDER BY first.batch_no
                            LIMIT 20
                        ) AS old
                    WHERE before.handler = j.handler AND b.batch_no <= 200
                    ORDER BY before.job_id DESC, old.batch_no ASC
                    LIMIT 200
                )
            ) AS c
            WHERE c.status = 'completed' AND c.run_s IS NOT NULL
        ) AS s
    ) AS h
WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.in_hand IS NOT NULL;

COMMENT ON VIEW evtrack.running_item IS
'One row per slot of a live worker whose item, or whole batch, has been in hand for over a second. Workers report this '
'at most once a second. ORDER BY running_s DESC.';
COMMENT ON COLUMN evtrack.running_item.slot IS 'The process of the slot on that host.';
COMMENT ON COLUMN evtrack.running_item.item_key IS
'The item in hand; null if the handler takes whole batches, or is a program.';
COMMENT ON COLUMN evtrack.running_item.begun_at IS
'When the item, or the whole batch, began, by the database''s clock.';
COMMENT ON COLUMN evtrack.running_item.known_attempts IS
'Completed batches of the handler from which p50_s and p99_s come: some of the latest, at most 400.';
COMMENT ON COLUMN evtrack.running_item.p50_s IS
'How long half of the handler''s completed batches ran: per item, if the item in hand is known and one of several.';
COMMENT ON COLUMN evtrack.running_item.p99_s IS 'How long 99 of 100 of them ran at most.';
