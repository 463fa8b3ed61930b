-- The rights of each role, one line per object; sql/grants.sql applies them at each migration. Every function and view
-- must be listed. Without a role, only the owner, and functions that run as the owner, may use it.
CREATE OR REPLACE VIEW evtrack.role_right AS
WITH listed (kind, name, roles) AS (
    VALUES
    ('schema', 'evtrack', '{producer,reader,watcher,worker}'::text[]),
    ('function', 'add_batches', '{producer}'),
    ('function', 'alert_of', '{}'),
    ('function', 'alert_while', '{}'),
    ('function', 'append_job_event', '{}'),
    ('function', 'attempts', '{reader,watcher}'),
    ('function', 'batch_facts', '{}'),
    ('function', 'batch_status_at', '{producer,reader,watcher,worker}'),
    ('function', 'begin_stop', '{worker}'),
    ('function', 'bucket', '{}'),
    ('function', 'cancel', '{producer}'),
    ('function', 'check_alerts', '{watcher}'),
    ('function', 'check_job', '{}'),
    ('function', 'check_notes', '{}'),
    ('function', 'check_object', '{}'),
    ('function', 'check_report', '{}'),
    ('function', 'check_submitter', '{producer}'),
    ('function', 'check_worker', '{}'),
    ('function', 'claim', '{worker}'),
    ('function', 'claimable', '{worker}'),
    ('function', 'compact_progress', '{}'),
    ('function', 'complete', '{worker}'),
    ('function', 'complete_partly', '{worker}'),
    ('function', 'complete_with_failures', '{worker}'),
    ('function', 'crash', '{worker}'),
    ('function', 'crash_facts', '{}'),
    ('function', 'crash_one', '{}'),
    ('function', 'crash_rates', '{producer,reader,watcher,worker}'),
    ('function', 'create_job', '{producer}'),
    ('function', 'divide_suspect', '{}'),
    ('function', 'drop_day', '{}'),
    ('function', 'enqueue', '{producer}'),
    ('function', 'error_facts', '{}'),
    ('function', 'error_fingerprint', '{producer,reader,watcher,worker}'),
    ('function', 'error_place', '{producer,reader,watcher,worker}'),
    ('function', 'error_shape', '{producer,reader,watcher,worker}'),
    ('function', 'event_text', '{}'),
    ('function', 'extend_links', '{}'),
    ('function', 'fail', '{worker}'),
    ('function', 'find_worker', '{}'),
    ('function', 'finish_due', '{producer,watcher,worker}'),
    ('function', 'finish_overdue', '{watcher,worker}'),
    ('function', 'batch_transitions', '{}'),
    ('function', 'job_transitions', '{}'),
    ('function', 'is_forged', '{}'),
    ('function', 'count_change', '{}'),
    ('function', 'crash_line', '{}'),
    ('function', 'status_after', '{}'),
    ('function', 'fold_steps', '{}'),
    ('function', 'fold', '{}'),
    ('function', 'fold_job', '{}'),
    ('function', 'fingerprint_of', '{}'),
    ('function', 'forget_old', '{}'),
    ('function', 'guard_payload', '{}'),
    ('function', 'halves', '{}'),
    ('function', 'has_isolated', '{}'),
    ('function', 'has_session_lock', '{producer,reader,watcher,worker}'),
    ('function', 'heartbeat', '{worker}'),
    ('function', 'held', '{}'),
    ('function', 'hold_job', '{producer}'),
    ('function', 'is_readable', '{}'),
    ('function', 'item_count', '{}'),
    ('function', 'item_facts', '{}'),
    ('function', 'item_summary', '{}'),
    ('function', 'job_attempts', '{}'),
    ('function', 'job_course', '{producer,reader,watcher,worker}'),
    ('function', 'job_digest', '{producer,reader,watcher,worker}'),
    ('function', 'job_sums', '{}'),
    ('function', 'job_progress_at', '{producer,reader,watcher,worker}'),
    ('function', 'known_items', '{}'),
    ('function', 'last_link', '{}'),
    ('function', 'latest_crashes', '{reader,watcher}'),
    ('function', 'left_batches', '{worker}'),
    ('function', 'lock_job', '{}'),
    ('function', 'lock_suspects', '{}'),
    ('function', 'lose', '{}'),
    ('function', 'lose_one', '{}'),
    ('function', 'make_partitions', '{}'),
    ('function', 'make_partitions_ahead', '{watcher,worker}'),
    ('function', 'mark_alerts', '{watcher}'),
    ('function', 'mark_items', '{worker}'),
    ('function', 'move_items', '{}'),
    ('function', 'need_partition', '{}'),
    ('function', 'open_batches', '{}'),
    ('function', 'pending_batches', '{producer}'),
    ('function', 'policy_number', '{producer,reader,watcher,worker}'),
    ('function', 'quarantine', '{producer}'),
    ('function', 'raise_alert', '{}'),
    ('function', 'raise_isolation', '{}'),
    ('function', 'reap', '{watcher,worker}'),
    ('function', 'reclaim', '{producer}'),
    ('function', 'reconcile', '{worker}'),
    ('function', 'refuse', '{}'),
    ('function', 'refuse_event', '{}'),
    ('function', 'register_worker', '{worker}'),
    ('function', 'report_death', '{worker}'),
    ('function', 'report_in_hand', '{worker}'),
    ('function', 'report_slots', '{worker}'),
    ('function', 'requeue', '{worker}'),
    ('function', 'restore_events', '{}'),
    ('function', 'result_lines', '{}'),
    ('function', 'resume', '{producer}'),
    ('function', 'retry', '{producer}'),
    ('function', 'retry_at', '{}'),
    ('function', 'retry_items', '{producer}'),
    ('function', 'running_batches', '{}'),
    ('function', 'seal', '{producer}'),
    ('function', 'settle_log', '{producer,reader,watcher,worker}'),
    ('function', 'split_crashed', '{}'),
    ('function', 'steady_since', '{}'),
    ('function', 'stop_worker', '{worker}'),
    ('function', 'suspend', '{producer}'),
    ('function', 'take_alerts', '{watcher}'),
    ('table', 'payload', '{producer}'),
    ('view', 'alert_outbox', '{producer,reader,watcher,worker}'),
    ('view', 'alert_status', '{producer,reader,watcher,worker}'),
    ('view', 'attempt', '{producer,reader,watcher,worker}'),
    ('view', 'job_memory', '{producer,reader,watcher,worker}'),
    ('view', 'batch_duration', '{producer,reader,watcher,worker}'),
    ('view', 'batch_status', '{producer,reader,watcher,worker}'),
    ('view', 'counted_job', '{}'),
    ('view', 'crash', '{producer,reader,watcher,worker}'),
    ('view', 'crash_rate_daily', '{producer,reader,watcher,worker}'),
    ('view', 'dropped_job', '{producer,reader,watcher,worker}'),
    ('view', 'error_summary', '{producer,reader,watcher,worker}'),
    ('view', 'event_log', '{producer,reader,watcher,worker}'),
    ('view', 'handler_status', '{producer,reader,watcher,worker}'),
    ('view', 'item_failures', '{producer,reader,watcher,worker}'),
    ('view', 'item_result', '{producer,reader,watcher,worker}'),
    ('view', 'item_status', '{producer,reader,watcher,worker}'),
    ('view', 'job_progress', '{producer,reader,watcher,worker}'),
    ('view', 'job_state', '{producer,reader,watcher,worker}'),
    ('view', 'job_status', '{producer,reader,watcher,worker}'),
    ('view', 'migration', '{producer,reader,watcher,worker}'),
    ('view', 'restored_worker', '{producer,reader,watcher,worker}'),
    ('view', 'role_right', '{producer,reader,watcher,worker}'),
    ('view', 'running_item', '{producer,reader,watcher,worker}'),
    ('view', 'slowest_batch', '{producer,reader,watcher,worker}'),
    ('view', 'table_size', '{producer,reader,watcher,worker}'),
    ('view', 'waiting', '{producer,reader,watcher,worker}'),
    ('view', 'worker_status', '{producer,reader,watcher,worker}')
)

SELECT
    l.kind,
    l.name,
    CASE l.kind WHEN 'function' THEN 'EXECUTE' WHEN 'schema' THEN 'USAGE' WHEN 'table' THEN 'INSERT' ELSE 'SELECT' END
        AS privilege,
    'evtrack_' || m.member AS role,
    CASE l.kind
        WHEN 'schema' THEN has_schema_privilege(g.oid, n.oid, 'USAGE')
        WHEN 'function'
            THEN (
                SELECT bool_and(has_function_privilege(g.oid, p.oid, 'EXECUTE'))
                FROM pg_catalog.pg_proc AS p
                WHERE p.pronamespace = n.oid AND p.proname = l.name
            )
        ELSE (
            SELECT has_table_privilege(g.oid, c.oid, CASE l.kind WHEN 'table' THEN 'INSERT' ELSE 'SELECT' END)
            FROM pg_catalog.pg_class AS c
            WHERE c.relnamespace = n.oid AND c.relname = l.name
        )
    END AS granted
FROM listed AS l
INNER JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'evtrack'
LEFT JOIN LATERAL unnest(l.roles) AS m (member) ON true
LEFT JOIN pg_catalog.pg_roles AS g ON 'evtrack_' || m.member = g.rolname;

COMMENT ON VIEW evtrack.role_right IS
'What each of evtrack''s roles may do, one row per right, and whether it is granted. For missing rights: WHERE role IS '
'NOT NULL AND granted IS NOT TRUE.';
COMMENT ON COLUMN evtrack.role_right.role IS 'Null: only the owner.';
COMMENT ON COLUMN evtrack.role_right.granted IS
'Null if this cluster does not have the role: evtrack migrate roles creates it.';
