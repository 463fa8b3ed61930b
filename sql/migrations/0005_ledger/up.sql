-- What stays of a job that retention dropped.
-- least-code: 0.1.0

CREATE TABLE evtrack.ledger (
    job_id bigint PRIMARY KEY,
    job_day date NOT NULL,
    handler text NOT NULL,
    name text,
    phase evtrack.phase NOT NULL,
    batches jsonb NOT NULL,
    items jsonb NOT NULL,
    invalid_count bigint NOT NULL,
    event_count bigint NOT NULL,
    created_at timestamptz NOT NULL,
    sealed_at timestamptz,
    ended_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    archive text
);
CREATE INDEX ledger_day ON evtrack.ledger (job_day);
