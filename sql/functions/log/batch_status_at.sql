-- Where each batch of a job stood at a time: its events until then, folded.
-- Reads all of the job's events.
CREATE OR REPLACE FUNCTION evtrack.batch_status_at(
    the_job bigint, as_of timestamptz
) RETURNS TABLE (
    job_id bigint, batch_no integer, status evtrack.status, attempt integer,
    version integer, item_count integer, worker_id bigint, since timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH event AS (
        SELECT e.*, t.after,
            CASE WHEN e.type = 'enqueued' THEN (e.data ->> 'items')::integer
                WHEN t.moved
                    THEN -coalesce((e.data ->> 'moved_items')::integer, 0)
                ELSE 0 END AS items
        FROM evtrack.job j
        JOIN evtrack.event e ON e.job_day = j.job_day AND e.job_id = j.job_id
        JOIN (
            SELECT DISTINCT r.type, r.moved, r.after
            FROM unnest(evtrack.batch_transitions()) r
        ) t ON t.type = e.type AND (t.moved IS NULL
            OR t.moved = (e.data ->> 'moved' IS NOT NULL))
        WHERE j.job_id = the_job AND e.batch_no > 0 AND e.at <= as_of
    ), stream AS (
        SELECT e.batch_no, max(e.version) AS version,
            max(e.version) FILTER (WHERE e.after IS NOT NULL) AS last_step,
            max(e.attempt) FILTER (WHERE e.type IN ('enqueued', 'started'))
                AS attempt,
            max(e.version) FILTER (WHERE e.type = 'started') AS last_start,
            sum(e.items)::integer AS item_count
        FROM event e GROUP BY e.batch_no
    )
    SELECT the_job, s.batch_no, e.after, s.attempt, s.version, s.item_count,
        b.worker_id, e.at
    FROM stream s
    JOIN event e ON e.batch_no = s.batch_no AND e.version = s.last_step
    LEFT JOIN event b ON b.batch_no = s.batch_no AND b.version = s.last_start
    ORDER BY s.batch_no
$$;
