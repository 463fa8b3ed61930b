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
        SELECT e.*,
            -- A late result changes nothing, nor does a split of some items.
            e.type <> 'late_result'
            AND NOT (e.type = 'split' AND e.data -> 'moved' IS NOT NULL)
                AS is_step
        FROM evtrack.job j
        JOIN evtrack.event e ON e.job_day = j.job_day AND e.job_id = j.job_id
        WHERE j.job_id = the_job AND e.batch_no > 0 AND e.at <= as_of
    ), stream AS (
        SELECT e.batch_no, max(e.version) AS version,
            max(e.version) FILTER (WHERE e.is_step) AS last_step,
            max(e.attempt) FILTER (WHERE e.type IN ('enqueued', 'started'))
                AS attempt,
            max(e.version) FILTER (WHERE e.type = 'started') AS last_start,
            sum(CASE
                WHEN e.type = 'enqueued' THEN (e.data ->> 'items')::integer
                WHEN e.type IN ('completed', 'split')
                    THEN -coalesce((e.data ->> 'moved_items')::integer, 0)
                ELSE 0 END)::integer AS item_count
        FROM event e GROUP BY e.batch_no
    )
    SELECT the_job, s.batch_no,
        CASE WHEN e.type IN ('enqueued', 'requeued') THEN 'pending'
            WHEN e.type = 'started' THEN 'running'
            ELSE e.type::text END::evtrack.status,
        s.attempt, s.version, s.item_count, b.worker_id, e.at
    FROM stream s
    JOIN event e ON e.batch_no = s.batch_no AND e.version = s.last_step
    LEFT JOIN event b ON b.batch_no = s.batch_no AND b.version = s.last_start
    ORDER BY s.batch_no
$$;
