-- The rows of the two state machines, which stand in the functions
-- evtrack.batch_transitions() and evtrack.job_transitions().
-- least-code: 0.1.0

-- What an event does to a batch in one of these statuses (null: that does not
-- exist yet). Where `after` is null, the batch stays what it is.
CREATE TYPE evtrack.batch_transition AS (
    type evtrack.event_type,
    before evtrack.status [],
    after evtrack.status,
    -- What the event's attempt and worker must be, see batch_transitions().
    lease text,
    -- Whether the event must move some items to other batches; null: not asked.
    moved boolean,
    -- Whether the batch must be made from another.
    derived boolean
);
-- The same for a job. An event that asks for `suspended` inverts it.
CREATE TYPE evtrack.job_transition AS (
    type evtrack.event_type,
    before evtrack.phase [],
    after evtrack.phase,
    suspended boolean
);
