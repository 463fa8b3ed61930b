-- What people are to be told: an outbox that is filled in the transaction of
-- what happened, and emptied by watchers.
-- least-code: 0.1.0

-- Not part of the log: what was delivered may be deleted.
CREATE TABLE evtrack.alert (
    alert_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    subject text NOT NULL,
    -- Which time it is: the version of the event, the minute, the hour.
    occasion text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('warning', 'error')),
    job_id bigint,
    batch_no integer,
    facts jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    delivered_by text,
    -- Of a state that goes on: when it was seen to be over.
    cleared_at timestamptz,
    UNIQUE (kind, subject, occasion)
);
CREATE INDEX alert_undelivered ON evtrack.alert (alert_id)
WHERE delivered_at IS NULL;
CREATE INDEX alert_recent ON evtrack.alert (created_at);
CREATE INDEX alert_of_job ON evtrack.alert (job_id, kind, created_at)
WHERE job_id IS NOT NULL;

-- What is too much to be told one by one is counted, by each session in a row
-- of its own, so that nobody waits; a watcher makes one alert a minute of it.
CREATE TABLE evtrack.alert_storm (
    kind text NOT NULL,
    job_id bigint NOT NULL,
    minute timestamptz NOT NULL,
    shard integer NOT NULL,
    alerts bigint NOT NULL,
    PRIMARY KEY (kind, job_id, minute, shard)
);

REVOKE ALL ON evtrack.alert, evtrack.alert_storm FROM public;
