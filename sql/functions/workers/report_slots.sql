-- Report that a worker's slots die again and again before they run anything, so
-- that it does no work; or, with NULL, that they have recovered. Raises an
-- alert when it begins, at most once an hour.
CREATE OR REPLACE FUNCTION evtrack.report_slots(
    the_worker bigint, said text
) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT evtrack.find_worker(the_worker);
    UPDATE evtrack.alert a SET cleared_at = clock_timestamp()
    WHERE said IS NULL AND a.kind = 'slots_keep_dying'
        AND a.subject = the_worker::text AND a.cleared_at IS NULL;
    SELECT coalesce((
        SELECT evtrack.raise_alert('slots_keep_dying', w.worker_id::text,
            to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'),
            'error', jsonb_build_object('worker_id', w.worker_id,
                'worker', left(w.name, 200), 'host', w.host, 'pid', w.pid,
                'handlers', w.handlers, 'said', left(said, 500)))
        FROM evtrack.worker w
        WHERE w.worker_id = the_worker AND said IS NOT NULL
    ), false)
$$;
