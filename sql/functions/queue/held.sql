-- Lock the reported batches in order, and return for each report whether the
-- worker still holds the batch: held; again (an identical report is in the
-- log); late (another attempt has it, or it ended: a late_result is appended);
-- unknown.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.held(
    the_worker bigint, job_ids bigint[], batch_nos integer[],
    attempts integer[], outcome evtrack.event_type
) RETURNS TABLE (
    place bigint, job_day date, job_id bigint, batch_no integer,
    attempt integer, version integer, status evtrack.status,
    errors smallint, crashes smallint, losses smallint, policy jsonb,
    phase evtrack.phase, verdict text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.find_worker(the_worker);
    RETURN QUERY
    WITH given AS (
        SELECT g.*, j.job_day, j.policy, j.phase
        FROM unnest(job_ids, batch_nos, attempts)
            WITH ORDINALITY AS g (job_id, batch_no, attempt, place)
        CROSS JOIN LATERAL (
            SELECT j.job_day, j.policy, j.phase FROM evtrack.job j
            WHERE j.job_id = g.job_id OFFSET 0
        ) j
        ORDER BY g.job_id, g.batch_no
    ), locked AS (
        SELECT g.place, g.attempt, b.job_day, b.job_id, b.batch_no,
            b.version, b.status, b.errors, b.crashes, b.losses,
            g.policy, g.phase, b.attempt AS last_attempt, b.worker_id,
            b.status = 'running' AND b.worker_id = the_worker
                AND b.attempt = g.attempt AS is_held
        FROM given g
        CROSS JOIN LATERAL (
            SELECT * FROM evtrack.batch b
            WHERE b.job_day = g.job_day AND b.job_id = g.job_id
                AND b.batch_no = g.batch_no
            FOR UPDATE
        ) b
    ), judged AS (
        SELECT l.*, CASE
            WHEN l.is_held AND row_number() OVER (
                PARTITION BY l.job_id, l.batch_no, l.attempt ORDER BY l.place
            ) = 1 THEN 'held'
            WHEN l.is_held THEN 'again'
            WHEN l.attempt > l.last_attempt OR l.attempt < 1 THEN 'unknown'
            -- The row can be newer than this statement's snapshot of the log,
            -- if the same report was in progress on a broken connection.
            WHEN l.attempt = l.last_attempt AND l.worker_id = the_worker
                AND l.status::text = outcome::text THEN 'again'
            WHEN EXISTS (
                SELECT 1 FROM evtrack.event e
                WHERE e.job_day = l.job_day AND e.job_id = l.job_id
                    AND e.batch_no = l.batch_no AND e.type = outcome
                    AND e.attempt = l.attempt AND e.worker_id = the_worker
                    -- Reported by the reaper, not by the worker.
                    AND e.data ->> 'cause' IS DISTINCT FROM 'worker_lost'
                OFFSET 0)
                THEN 'again'
            ELSE 'late' END AS verdict
        FROM locked l
    ), numbered AS (
        -- A group may have several attempts of one batch: each late one takes a
        -- version, and the caller's events follow.
        SELECT
            j.*,
            count(*) FILTER (WHERE j.verdict = 'late') OVER (
                PARTITION BY j.job_id, j.batch_no ORDER BY j.place)::integer
            AS nth,
            count(*) FILTER (WHERE j.verdict = 'late') OVER (
                PARTITION BY j.job_id, j.batch_no)::integer AS lates
        FROM judged j
    ), recorded AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT l.job_day, l.job_id, l.batch_no, l.version + l.nth,
            'late_result', l.attempt, the_worker,
            jsonb_build_object('outcome', outcome)
        FROM numbered l WHERE l.verdict = 'late'
    )
    SELECT g.place, l.job_day, g.job_id, g.batch_no, g.attempt,
        l.version + l.lates, l.status, l.errors, l.crashes, l.losses, l.policy, l.phase,
        coalesce(l.verdict, 'unknown')
    FROM unnest(job_ids, batch_nos, attempts)
        WITH ORDINALITY AS g (job_id, batch_no, attempt, place)
    LEFT JOIN numbered l ON l.place = g.place
    ORDER BY g.place;
END $$;
