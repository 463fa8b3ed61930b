-- Write the alerts for these events into the outbox; one statement has appended
-- them and the fold has applied them. Alerts are raised for each crash, each
-- poison item, each batch that failed for good, a job that was abandoned, and
-- one that finished with errors. For each kind, a job raises a limited number
-- of alerts a minute (max_alerts of its policy [60]); the others are only
-- counted. Notifies watchers inside the transaction, which is cheap enough
-- because alerts are rare. Called only by evtrack.fold(), and planned under its
-- settings (docs/planner.md).
CREATE OR REPLACE FUNCTION evtrack.alert_of(events evtrack.event[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    this_minute timestamptz := date_trunc('minute', clock_timestamp());
    new_alerts bigint;
BEGIN
    WITH e AS (
        -- The next event of the batch in this statement is its outcome.
        SELECT u.*,
            lead(u.type) OVER stream AS next_type,
            lead(u.data) OVER stream AS next_data
        FROM unnest(events) u
        WINDOW stream AS (PARTITION BY u.job_id, u.batch_no ORDER BY u.version)
    ), candidate AS (
        -- Version 2 is not a crash of its own: its parent has the crash.
        SELECT 'batch_crashed' AS kind, e.next_type IS NULL AS final, e.*
        FROM e WHERE e.type = 'crashed' AND e.version > 2
        UNION ALL
        SELECT 'item_poisoned', true, e.* FROM e
        WHERE e.type = 'crashed' AND e.data -> 'poison' = 'true'
            AND e.next_type IS NULL
        UNION ALL
        SELECT 'batch_failed', true, e.* FROM e
        WHERE e.type = 'failed' AND e.next_type IS NULL
        UNION ALL
        SELECT 'job_abandoned', true, e.* FROM e
        WHERE e.type = 'abandoned' AND e.batch_no = 0
        UNION ALL
        SELECT 'job_finished_with_errors', true, e.* FROM e
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
        SELECT k.kind, k.job_id, k.most - (
            SELECT count(*) FROM (
                SELECT FROM evtrack.alert a
                WHERE a.job_id = k.job_id AND a.kind = k.kind
                    AND a.created_at >= this_minute LIMIT k.most) t) AS places
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
    ), raised AS (
        INSERT INTO evtrack.alert (
            kind, subject, occasion, severity, job_id, batch_no, facts)
        SELECT t.kind,
            concat_ws('/', t.job_id, nullif(t.batch_no, 0)), t.version,
            CASE WHEN NOT t.final OR t.kind = 'job_finished_with_errors'
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
                THEN jsonb_build_object('final', t.final) ELSE '{}' END
        FROM room m JOIN ranked t USING (kind, job_id)
        WHERE t.place <= m.places
        ORDER BY t.job_id, t.batch_no, t.version, t.kind
        ON CONFLICT (kind, subject, occasion) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) INTO new_alerts FROM raised;
    IF new_alerts > 0 THEN
        PERFORM pg_notify('evtrack_alert', '');
    END IF;
END $$;
