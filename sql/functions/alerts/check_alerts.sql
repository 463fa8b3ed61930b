-- Raise alerts for conditions that no single event shows: alerts that were only
-- counted, for minutes that are over; batches that do not start although slots
-- are free; handlers whose attempts crash too often; queues that are too long;
-- items that run much longer than others of their handler did; handlers of
-- waiting batches that no worker offers.
-- One call at a time has an effect; concurrent ones return 0. Returns the
-- number of new alerts.
CREATE OR REPLACE FUNCTION evtrack.check_alerts(
    never_started interval DEFAULT '1 minute',
    max_crash_rate float8 DEFAULT 5, crash_span interval DEFAULT '1 hour',
    least_attempts bigint DEFAULT 20, max_pending bigint DEFAULT 100000,
    runs_long interval DEFAULT '1 minute', runs_long_factor float8 DEFAULT 10,
    no_worker interval DEFAULT '1 minute'
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    storm record;
    new bigint := 0;
BEGIN
    IF (max_crash_rate BETWEEN 0 AND 'Infinity' AND never_started >= '0'
        AND crash_span >= '0' AND max_pending >= 0
        AND least_attempts >= 0 AND runs_long >= '0'
        AND runs_long_factor BETWEEN 0 AND 'Infinity'
        AND no_worker >= '0') IS NOT TRUE THEN
        RAISE EXCEPTION 'thresholds must be 0 or greater, got never_started %, '
            'max_crash_rate %, crash_span %, least_attempts %, max_pending %, '
            'runs_long %, runs_long_factor %, no_worker %',
            coalesce(never_started::text, 'null'),
            coalesce(max_crash_rate::text, 'null'),
            coalesce(crash_span::text, 'null'),
            coalesce(least_attempts::text, 'null'),
            coalesce(max_pending::text, 'null'),
            coalesce(runs_long::text, 'null'),
            coalesce(runs_long_factor::text, 'null'),
            coalesce(no_worker::text, 'null') USING ERRCODE = 'EV007';
    END IF;
    PERFORM FROM evtrack.duty d WHERE d.duty = 'alerts' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN 0; END IF;
    FOR storm IN
        WITH gone AS (
            DELETE FROM evtrack.alert_storm s
            WHERE s.minute < date_trunc('minute', clock_timestamp())
                AND s.kind <> 'crash_retried'
            RETURNING *
        )
        SELECT g.kind, g.job_id, j.handler, j.name, sum(g.alerts) AS alerts,
            to_char(g.minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
            AS minute
        FROM gone g LEFT JOIN evtrack.job j ON j.job_id = g.job_id
        GROUP BY g.kind, g.job_id, j.handler, j.name, g.minute
        ORDER BY g.minute, g.job_id, g.kind
    LOOP
        -- A transaction may commit long after the minute that it counted in:
        -- then the storm is delivered again with the new total.
        INSERT INTO evtrack.alert AS a (
            kind, subject, occasion, severity, job_id, facts)
        VALUES ('alert_storm', storm.kind || ' ' || storm.job_id, storm.minute,
            'error', storm.job_id, jsonb_strip_nulls(jsonb_build_object(
                'of', storm.kind, 'alerts', storm.alerts,
                'minute', storm.minute, 'handler', storm.handler,
                'job_name', left(storm.name, 200))))
        ON CONFLICT (kind, subject, occasion) DO UPDATE
        SET delivered_at = NULL, facts = a.facts || jsonb_build_object(
            'alerts', (a.facts -> 'alerts')::bigint + storm.alerts);
        new := new + 1;
    END LOOP;

    DELETE FROM evtrack.alert_storm s
    WHERE s.kind = 'crash_retried'
        AND s.minute < clock_timestamp() - greatest(crash_span, '1 day');

    new := new + evtrack.alert_while('never_started', 'error', (
        SELECT jsonb_object_agg(w.job_id, jsonb_build_object(
            'job_id', w.job_id, 'handler', w.handler, 'batches', w.batches,
            'since', w.since, 'waited_s', w.waited_s, 'workers', w.workers,
            'free_slots', w.free_slots))
        FROM evtrack.waiting w
        WHERE w.why = 'never started'
            AND w.waited_s >= extract(EPOCH FROM never_started)));

    new := new + evtrack.alert_while('no_worker', 'error', (
        SELECT jsonb_object_agg(n.handler, to_jsonb(n) || jsonb_build_object(
            'workers', (
                SELECT count(*) FROM evtrack.worker_status s
                WHERE s.state = 'alive')))
        FROM (
            SELECT w.handler, count(*) AS jobs, sum(w.batches) AS batches,
                min(w.since) AS since, max(w.waited_s) AS waited_s,
                min(w.job_id) AS example_job_id
            FROM evtrack.waiting w
            -- A job may allow for more time than the default.
            WHERE w.why = 'no worker'
                AND w.waited_s >= extract(EPOCH FROM no_worker)
                AND (w.overdue OR w.start_within_s
                    <= evtrack.policy_number('{}', 'start_within_s'))
                AND w.handler <> 'evtrack.canary'
            GROUP BY w.handler
        ) n));

    new := new + evtrack.alert_while('crash_rate_high', 'error', (
        SELECT jsonb_object_agg(r.handler, jsonb_build_object(
            'handler', r.handler, 'attempts', r.attempts, 'crashed', r.crashed,
            'crash_rate_pct', round(100.0 * r.crashed / r.attempts, 2),
            'max_crash_rate', max_crash_rate,
            'span_s', extract(EPOCH FROM crash_span)))
        FROM evtrack.crash_rates(crash_span) r
        WHERE r.attempts >= greatest(least_attempts, 1)
            AND 100.0 * r.crashed / r.attempts > max_crash_rate));

    new := new + evtrack.alert_while('runs_long', 'warning', (
        SELECT jsonb_object_agg(concat_ws('/', r.job_id, r.batch_no, r.ordinal),
            jsonb_build_object('job_id', r.job_id, 'batch_no', r.batch_no,
                'attempt', r.attempt, 'handler', r.handler,
                'item_key', r.item_key, 'ordinal', r.ordinal,
                'item_count', r.item_count, 'worker_id', r.worker_id,
                'worker', left(r.worker, 200), 'host', r.host, 'pid', r.slot,
                'begun_at', r.begun_at, 'running_s', r.running_s,
                'p50_s', round(r.p50_s::numeric, 3),
                'p99_s', round(r.p99_s::numeric, 3),
                'known_attempts', r.known_attempts))
        FROM evtrack.running_item r
        WHERE r.running_s >= extract(EPOCH FROM runs_long)
            AND r.known_attempts >= greatest(least_attempts, 1)
            AND r.running_s > runs_long_factor * r.p99_s));

    RETURN new + evtrack.alert_while('queue_deep', 'warning', (
        SELECT jsonb_object_agg(q.handler, jsonb_build_object(
            'handler', q.handler, 'batches', q.batches, 'items', q.items,
            'jobs', q.jobs, 'max_pending', max_pending))
        FROM (
            SELECT w.handler, sum(w.batches) AS batches, sum(w.items) AS items,
                count(*) AS jobs
            FROM evtrack.waiting w WHERE w.why <> 'suspended'
            GROUP BY w.handler HAVING sum(w.batches) > max_pending
        ) q));
END $$;
