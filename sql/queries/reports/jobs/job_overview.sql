-- Read all of one job that is counted: what it is, its progress, why its batches wait, its latest verification, and
-- whether it is being submitted, as one statement, because a page reads it every second.
SELECT
    s.name AS s_name,
    s.handler AS s_handler,
    s.priority AS s_priority,
    s.outcome AS s_outcome,
    s.note_count AS s_note_count,
    s.sealed_at AS s_sealed_at,
    s.finished_at AS s_finished_at,
    s.cancelled_at AS s_cancelled_at,
    p.job_id AS p_job_id,
    p.phase AS p_phase,
    p.suspended AS p_suspended,
    p.total AS p_total,
    p.done AS p_done,
    p.failed AS p_failed,
    p.crashed AS p_crashed,
    p.cancelled AS p_cancelled,
    p.invalid AS p_invalid,
    p.pending AS p_pending,
    p.running AS p_running,
    p.ended AS p_ended,
    p.percent AS p_percent,
    p.batches AS p_batches,
    p.batches_pending AS p_batches_pending,
    p.batches_running AS p_batches_running,
    p.batches_completed AS p_batches_completed,
    p.batches_failed AS p_batches_failed,
    p.batches_crashed AS p_batches_crashed,
    p.batches_split AS p_batches_split,
    p.batches_cancelled AS p_batches_cancelled,
    p.bytes_read AS p_bytes_read,
    p.bytes_total AS p_bytes_total,
    p.pace AS p_pace,
    p.remaining_s AS p_remaining_s,
    p.eta AS p_eta,
    p.elapsed_s AS p_elapsed_s,
    p.created_at AS p_created_at,
    p.ended_at AS p_ended_at,
    w.job_id AS w_job_id,
    w.batches AS w_batches,
    w.items AS w_items,
    w.since AS w_since,
    w.waited_s AS w_waited_s,
    w.workers AS w_workers,
    w.free_slots AS w_free_slots,
    w.why AS w_why,
    w.overdue AS w_overdue,
    v.job_id AS v_job_id,
    v.at AS v_at,
    v.by AS v_by,
    v.outcome AS v_outcome,
    v.events AS v_events,
    v.difference_count AS v_difference_count,
    v.differences AS v_differences,
    v.digest AS v_digest,
    s.phase IN ('open', 'abandoned')
    AND evtrack.has_session_lock(hashtextextended('evtrack.submit', s.job_id)) AS is_submitting
FROM evtrack.job_status AS s
INNER JOIN evtrack.job_progress AS p ON s.job_id = p.job_id
LEFT JOIN evtrack.waiting AS w ON s.job_id = w.job_id
LEFT JOIN
    LATERAL (
        SELECT *
        FROM evtrack.job_verification AS l
        WHERE l.job_id = s.job_id -- noqa: RF03
        ORDER BY l.at DESC
        LIMIT 1
    ) AS v
    ON true
WHERE s.job_id = %(job_id)s -- noqa: RF02
