-- Mark the batches of a worker that was declared lost as crashed, and requeue
-- them while their lost-worker budget lasts. This makes no item poison. Returns
-- how many there were. Called only by evtrack.reap().
CREATE OR REPLACE FUNCTION evtrack.lose(
    lost evtrack.worker, why text
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    WITH mine AS (
        SELECT b.job_day, b.job_id, b.batch_no, b.version, b.attempt,
            r.phase <> 'cancelled' AND b.losses + 1
            < evtrack.policy_number(r.policy, 'max_losses') AS again
        FROM (
            SELECT h.job_day, h.job_id, h.batch_no, j.phase, j.policy
            FROM evtrack.running_batches(lost.worker_id) h
            JOIN evtrack.job j ON j.job_id = h.job_id
            ORDER BY h.job_id, h.batch_no
        ) r
        CROSS JOIN LATERAL (
            SELECT * FROM evtrack.batch b
            WHERE b.job_day = r.job_day AND b.job_id = r.job_id
                AND b.batch_no = r.batch_no AND b.status = 'running'
                AND b.worker_id = lost.worker_id
            FOR UPDATE
        ) b
    ), appended AS (
        INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type,
            attempt, worker_id, data)
        SELECT m.job_day, m.job_id, m.batch_no, m.version + 1,
            'crashed'::evtrack.event_type, m.attempt, lost.worker_id,
            jsonb_build_object('cause', 'worker_lost', 'why', why,
                'host', lost.host, 'pid', lost.pid,
                'seen_at', lost.seen_at)
        FROM mine m
        UNION ALL
        SELECT m.job_day, m.job_id, m.batch_no, m.version + 2, 'requeued',
            m.attempt, lost.worker_id, '{"reason": "lost"}'
        FROM mine m WHERE m.again
    )
    SELECT count(*) INTO n FROM mine;
    RETURN n;
END $$;
