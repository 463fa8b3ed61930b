-- The state machine of a batch: every event that the log accepts, by the
-- status of the batch before it. The fold, its refusals and batch_status_at()
-- read this and nothing else; src/evtrack/domain/states.py has the same table
-- for the pure fold. An array, because a plan takes that as a constant: with
-- the VALUES themselves, enqueuing a single item takes 7 % longer.
-- The lease that an event needs:
--   take     the next attempt, and a worker
--   hold     the attempt and the worker that hold the batch
--   attempt  the present attempt, whoever appends the event
--   past     the present attempt or an earlier one
CREATE OR REPLACE FUNCTION evtrack.batch_transitions()
RETURNS evtrack.batch_transition[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(r::evtrack.batch_transition)
    FROM (VALUES
        ('enqueued'::evtrack.event_type, ARRAY[NULL]::evtrack.status[],
            'pending'::evtrack.status, NULL, NULL::boolean, false),
        ('started', '{pending}', 'running', 'take', NULL, false),
        ('completed', '{running}', 'completed', 'hold', false, false),
        -- Some items are done, the others moved; from crashed: the slot died.
        ('completed', '{running,crashed}', 'completed', 'hold', true, false),
        ('failed', '{running}', 'failed', 'hold', NULL, false),
        -- Made from a batch that failed or crashed, with no budget left.
        ('failed', '{pending}', 'failed', 'attempt', NULL, true),
        ('crashed', '{running}', 'crashed', 'hold', NULL, false),
        ('crashed', '{pending}', 'crashed', 'attempt', NULL, true),
        ('requeued', '{running}', 'pending', 'hold', NULL, false),
        ('requeued', '{failed,crashed}', 'pending', 'attempt', NULL, false),
        ('split', '{pending,running,failed,crashed}', 'split', 'attempt',
            false, false),
        -- Only some items moved: the batch stays what it is with the others.
        -- Not while it runs, as its worker has all of it.
        ('split', '{pending,failed,crashed}', NULL, 'attempt', true, false),
        ('cancelled', '{pending,failed,crashed}', 'cancelled', NULL, NULL,
            false),
        -- A rejected report is kept, and changes nothing but the version.
        ('late_result', enum_range(NULL::evtrack.status), NULL, 'past', NULL,
            false)
    ) AS r
$$;
