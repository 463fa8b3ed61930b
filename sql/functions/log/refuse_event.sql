-- Refuse an event: always raises EV001 with the batch, the version and the first
-- reason that applies. Called by evtrack.fold() only.
CREATE OR REPLACE FUNCTION evtrack.refuse_event(e evtrack.event) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    j evtrack.job;
    b evtrack.batch;
    t evtrack.batch_transition;
    reason text;
BEGIN
    SELECT * INTO j FROM evtrack.job WHERE job_id = e.job_id;
    SELECT * INTO b FROM evtrack.batch
    WHERE job_id = e.job_id AND batch_no = e.batch_no;
    SELECT r.* INTO t FROM unnest(evtrack.batch_transitions()) r
    WHERE r.type = e.type AND b.status = ANY(r.before)
        AND (r.moved IS NULL OR r.moved = (e.data ->> 'moved' IS NOT NULL));
    reason := CASE
        WHEN e.xid <> pg_current_xact_id() THEN format(
            'its xid %s is not that of this transaction', e.xid)
        WHEN transaction_timestamp() <= clock_timestamp() AND (
            e.at < transaction_timestamp() - interval '1 minute'
            OR e.at > clock_timestamp() + interval '1 minute')
            THEN format('its time %s does not lie in this transaction', e.at)
        WHEN e.seq > currval('evtrack.event_seq')
            THEN format('its seq %s was not given out yet', e.seq)
        WHEN jsonb_typeof(e.data) <> 'object'
            THEN format('its data is an %s, not an object', jsonb_typeof(e.data))
        WHEN e.attempt < 0
            THEN format('its attempt %s is less than 0', e.attempt)
        WHEN e.type <> 'created' AND j.job_id IS NULL THEN 'there is no such job'
        WHEN e.job_day <> j.job_day THEN format(
            'its job_day %s is not that of the job, %s', e.job_day, j.job_day)
        WHEN e.batch_no = 0 AND e.version <> coalesce(j.version, 0) + 1
            THEN format('the next version is %s', coalesce(j.version, 0) + 1)
        WHEN e.batch_no = 0 THEN format(
            'the job is %s%s', j.phase,
            CASE WHEN j.suspended THEN ' and suspended' END)
        WHEN e.type = 'enqueued' AND e.version <> 1
            THEN 'a stream begins with version 1'
        WHEN e.type = 'enqueued' THEN format(
            'the job has given out the numbers 1 to %s', j.batch_count)
        WHEN b.job_id IS NULL THEN 'there is no such batch'
        WHEN e.version <> b.version + 1 THEN format(
            'the next version is %s', b.version + 1)
        WHEN t.derived AND b.root_no IS NULL THEN format(
            'only a derived batch begins as %s', t.after)
        WHEN t.lease = 'take' THEN format(
            'a start counts the attempt, %s, and names its worker',
            b.attempt + 1)
        WHEN t.lease = 'hold' AND e.attempt <> b.attempt THEN format(
            'attempt %s holds the batch, not %s', b.attempt, e.attempt)
        WHEN t.lease = 'hold' AND e.worker_id IS DISTINCT FROM b.worker_id
            THEN format('worker %s holds the batch, not %s', b.worker_id,
                coalesce(e.worker_id::text, 'nobody'))
        ELSE format('the batch is %s (attempt %s)', b.status, b.attempt) END;
    RAISE EXCEPTION 'job %, batch %, version %: % is refused: %',
        e.job_id, e.batch_no, e.version, e.type, reason
        USING ERRCODE = 'EV001',
        HINT = CASE
            WHEN current_setting('session_replication_role') = 'replica'
                THEN 'A subscription can copy a log only into a database that '
                '`evtrack migrate begin-replication` has prepared: see '
                '"Logical replication" in docs/operations.md.'
            ELSE 'Report through the functions of schema evtrack: they answer '
                'a late result with a verdict instead of an error.' END;
END $$;
