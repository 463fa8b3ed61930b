-- How far a job was at a time: its events until then, folded. No row before it
-- was created. Reads all of the job's events.
CREATE OR REPLACE FUNCTION evtrack.job_progress_at(
    the_job bigint, as_of timestamptz
) RETURNS TABLE (
    job_id bigint, as_of_time timestamptz, phase evtrack.phase,
    suspended boolean, total bigint, done bigint, failed bigint, crashed bigint,
    cancelled bigint, invalid bigint, pending bigint, running bigint,
    percent float8, batches bigint, batches_pending bigint,
    batches_running bigint, batches_completed bigint, batches_failed bigint,
    batches_crashed bigint, batches_split bigint, batches_cancelled bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH own AS (
        SELECT e.version, e.type, e.data, t.after AS phase, t.suspended
        FROM evtrack.job j
        JOIN evtrack.event e ON e.job_day = j.job_day AND e.job_id = j.job_id
        JOIN unnest(evtrack.job_transitions()) t ON t.type = e.type
        WHERE j.job_id = the_job AND e.batch_no = 0 AND e.at <= as_of
    ), job AS (
        SELECT
            (array_agg(o.phase ORDER BY o.version DESC)
                FILTER (WHERE o.phase IS NOT NULL))[1] AS phase,
            coalesce((array_agg(NOT o.suspended ORDER BY o.version DESC)
                FILTER (WHERE o.suspended IS NOT NULL))[1], false) AS suspended,
            coalesce(sum((o.data ->> 'items')::bigint)
                FILTER (WHERE o.type = 'extended'), 0)::bigint AS items,
            coalesce(sum((o.data ->> 'invalid')::bigint)
                FILTER (WHERE o.type = 'extended'), 0)::bigint AS invalid
        FROM own o HAVING count(*) > 0
    ), batch AS (
        SELECT count(*) AS batches,
            count(*) FILTER (WHERE b.status = 'pending') AS pending,
            count(*) FILTER (WHERE b.status = 'running') AS running,
            count(*) FILTER (WHERE b.status = 'completed') AS completed,
            count(*) FILTER (WHERE b.status = 'failed') AS failed,
            count(*) FILTER (WHERE b.status = 'crashed') AS crashed,
            count(*) FILTER (WHERE b.status = 'split') AS split,
            count(*) FILTER (WHERE b.status = 'cancelled') AS cancelled,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'pending'), 0)::bigint AS items_pending,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'running'), 0)::bigint AS items_running,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'completed'), 0)::bigint AS items_completed,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'failed'), 0)::bigint AS items_failed,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'crashed'), 0)::bigint AS items_crashed,
            coalesce(sum(b.item_count) FILTER (
                WHERE b.status = 'cancelled'), 0)::bigint AS items_cancelled
        FROM evtrack.batch_status_at(the_job, as_of) b
    )
    SELECT the_job, as_of, j.phase, j.suspended, j.items + j.invalid,
        b.items_completed, b.items_failed, b.items_crashed, b.items_cancelled,
        j.invalid, b.items_pending, b.items_running,
        CASE WHEN j.items + j.invalid = 0 THEN NULL ELSE trunc(100.0
            * (j.items + j.invalid - b.items_pending - b.items_running)
            / (j.items + j.invalid), 1) END::float8,
        b.batches, b.pending, b.running, b.completed, b.failed, b.crashed,
        b.split, b.cancelled
    FROM job j CROSS JOIN batch b
$$;
