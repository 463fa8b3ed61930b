-- What keeps a passing fault of a server, a host or a reader from losing or
-- stranding work.
-- least-code: 0.1.0

-- Workers and upkeep.
-- A worker's id is a random number, see register_worker().
ALTER TABLE evtrack.worker ALTER worker_id DROP DEFAULT;
DROP SEQUENCE evtrack.worker_id_seq;

-- The queue and its progress.
-- The digests of the parts of a large job that is being finished, and which
-- transactions they cover.
CREATE TABLE evtrack.digest_part (
    job_id bigint NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    digest bytea NOT NULL,
    seen pg_snapshot NOT NULL,
    PRIMARY KEY (job_id, part)
);
REVOKE ALL ON evtrack.digest_part FROM public;

-- Alerts and their sinks.

-- Where watchers deliver alerts besides their log, each under a label that
-- shows no secret. An alert that is marked as delivered is queued for all.
CREATE TABLE evtrack.sink (
    sink text PRIMARY KEY,
    keep_trying interval NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When a watcher last had it.
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE evtrack.delivery (
    alert_id bigint NOT NULL,
    sink text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the next attempt may begin, and how long before that this was set.
    retry_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pause interval NOT NULL DEFAULT '0',
    give_up_at timestamptz NOT NULL,
    taken_by text,
    error text,
    delivered_at timestamptz,
    gave_up_at timestamptz,
    PRIMARY KEY (alert_id, sink)
);
CREATE INDEX delivery_pending ON evtrack.delivery (sink, retry_at)
WHERE delivered_at IS NULL AND gave_up_at IS NULL;
CREATE INDEX delivery_given_up ON evtrack.delivery (gave_up_at)
WHERE gave_up_at IS NOT NULL;
REVOKE ALL ON evtrack.sink, evtrack.delivery FROM public;

-- Positions in the log.

-- What they take and return changes.
DROP FUNCTION IF EXISTS evtrack.check_alerts(
    interval, float8, interval, bigint, bigint, interval, float8
);
SELECT 1;
