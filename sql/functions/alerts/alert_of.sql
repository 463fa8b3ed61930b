-- Write the alerts for these events into the outbox; one statement has appended
-- them and the fold has applied them. Alerts are raised for each poison item,
-- each batch that stays crashed without one, each error for which batches fail
-- for good (once an hour per job and fingerprint), a job that was abandoned,
-- and one that finished with errors. A crash whose items run again is only
-- counted (as crash_retried, for the crash rate): if it has a poison item, that
-- will be the alert. A crash that counts against no item is not even counted.
-- For each kind, a job raises a limited number of alerts a minute (max_alerts
-- of its policy [60]); the others are only counted. Watchers are notified by the
-- client, after the commit: a NOTIFY in the transaction could fail it. Called
-- only by evtrack.fold(), and planned under its settings (docs/planner.md).
CREATE OR REPLACE FUNCTION evtrack.alert_of(events evtrack.event[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    this_minute timestamptz := date_trunc('minute', clock_timestamp());
    this_hour text := to_char(
        clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24');
BEGIN
    WITH e AS (
        -- The next event of the batch in this statement is its outcome.
        SELECT u.*,
            lead(u.type) OVER stream AS next_type,
            lead(u.data) OVER stream AS next_data
        FROM unnest(events) u
        WINDOW stream AS (PARTITION BY u.job_id, u.batch_no ORDER BY u.version)
    ), candidate AS (
        SELECT CASE
                WHEN e.next_type IS NOT NULL THEN 'crash_retried'
                WHEN e.data -> 'poison' = 'true' THEN 'item_poisoned'
                ELSE 'batch_crashed'
            END AS kind, NULL::text AS fault, e.*
        -- Version 2 is not a crash of its own: its parent has the crash. But
        -- it says that the item is poison.
        FROM e WHERE e.type = 'crashed'
            AND (e.version > 2 OR e.data -> 'poison' = 'true')
            AND e.data ->> 'blame' IS DISTINCT FROM 'none'
        UNION ALL
        SELECT 'batch_failed', f.job_id || '/' || f.fingerprint, (f.e).*
        FROM (
            SELECT DISTINCT ON (g.job_id, p.fingerprint) g.e, g.job_id,
                p.fingerprint
            FROM (
                -- A fingerprint takes as long as all else that is done for an
                -- event. Errors that differ only in the numbers of their message
                -- have the same one.
                SELECT DISTINCT ON (e.job_id, k.error_key) e, e.job_id,
                    e.batch_no
                FROM e
                CROSS JOIN LATERAL (
                    SELECT evtrack.error_key(e.data -> 'error') AS error_key
                ) k
                WHERE e.type = 'failed' AND e.next_type IS NULL
                ORDER BY e.job_id, k.error_key, e.batch_no
            ) g
            CROSS JOIN LATERAL (
                SELECT evtrack.fingerprint_of((g.e).data -> 'error')
                    AS fingerprint
            ) p
            ORDER BY g.job_id, p.fingerprint, g.batch_no
        ) f
        WHERE NOT EXISTS (
            SELECT 1 FROM evtrack.alert a
            WHERE a.kind = 'batch_failed' AND a.occasion = this_hour
                AND a.subject = f.job_id || '/' || f.fingerprint)
        UNION ALL
        SELECT 'job_abandoned', NULL, e.* FROM e
        WHERE e.type = 'abandoned' AND e.batch_no = 0
        UNION ALL
        SELECT 'job_finished_with_errors', NULL, e.* FROM e
        WHERE e.type = 'finished' AND e.batch_no = 0
            AND (e.data #> '{items,failed}' <> '0'
                OR e.data #> '{items,crashed}' <> '0'
                OR e.data #> '{items,cancelled}' <> '0'
                OR e.data -> 'invalid' <> '0')
    ), ranked AS (
        SELECT c.*, j.handler, j.name AS job_name, j.policy, row_number() OVER (
            PARTITION BY c.kind, c.job_id ORDER BY c.batch_no, c.version
        ) AS place
        FROM candidate c
        CROSS JOIN LATERAL (
            SELECT j.handler, j.name, j.policy FROM evtrack.job j
            WHERE j.job_id = c.job_id OFFSET 0
        ) j
    ), room AS (
        SELECT k.kind, k.job_id, CASE WHEN k.kind = 'crash_retried' THEN 0
            ELSE k.most - (
            SELECT count(*) FROM (
                SELECT FROM evtrack.alert a
                WHERE a.job_id = k.job_id AND a.kind = k.kind
                    AND a.created_at >= this_minute LIMIT k.most) t)
            END AS places
        FROM (
            SELECT DISTINCT r.kind, r.job_id,
                least(greatest(evtrack.policy_number(
                    r.policy, 'max_alerts'), 0), 100000)::bigint AS most
            FROM ranked r
        ) k
    ), counted AS (
        INSERT INTO evtrack.alert_storm AS s (
            kind, job_id, minute, shard, alerts)
        SELECT m.kind, m.job_id, this_minute, pg_backend_pid(), count(*)
        FROM room m JOIN ranked r USING (kind, job_id)
        WHERE r.place > m.places
        GROUP BY m.kind, m.job_id
        ON CONFLICT (kind, job_id, minute, shard) DO UPDATE
        SET alerts = s.alerts + excluded.alerts
    )
    INSERT INTO evtrack.alert (
        kind, subject, occasion, severity, job_id, batch_no, facts)
    SELECT t.kind,
        coalesce(t.fault, concat_ws('/', t.job_id, nullif(t.batch_no, 0))),
        CASE WHEN t.fault IS NULL THEN t.version::text ELSE this_hour END,
        CASE t.kind WHEN 'job_finished_with_errors'
            THEN 'warning' ELSE 'error' END,
        t.job_id, nullif(t.batch_no, 0),
        jsonb_strip_nulls(jsonb_build_object(
            'handler', t.handler, 'job_name', left(t.job_name, 200)))
        || CASE WHEN t.batch_no > 0
            THEN evtrack.batch_facts(t.job_day, t.job_id, t.batch_no,
                t.worker_id, t.attempt, t.data,
                (t.next_data ->> 'moved')::int4multirange)
            WHEN t.kind = 'job_finished_with_errors'
            THEN coalesce(t.data -> 'items', '{}')
                || jsonb_build_object('invalid', t.data -> 'invalid')
            ELSE '{}' END
        || CASE WHEN t.kind = 'batch_crashed'
            THEN '{"final": true}'::jsonb ELSE '{}' END
    FROM room m JOIN ranked t USING (kind, job_id)
    WHERE t.place <= m.places
    ORDER BY t.job_id, t.batch_no, t.version, t.kind
    ON CONFLICT (kind, subject, occasion) DO NOTHING;
END $$;
