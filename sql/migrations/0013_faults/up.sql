-- What keeps a passing fault of a server, a host or a reader from losing or
-- stranding work.
-- least-code: 0.1.0

-- Workers and upkeep.
-- A worker's id is a random number, see register_worker().
ALTER TABLE evtrack.worker ALTER worker_id DROP DEFAULT;
DROP SEQUENCE evtrack.worker_id_seq;
-- Who looks for lost workers, how many there are, and when the clock stepped;
-- see keep_time().
ALTER TABLE evtrack.upkeep
ADD COLUMN reaper bigint,
ADD COLUMN workers bigint NOT NULL DEFAULT 0,
ADD COLUMN stepped_at timestamptz,
ADD COLUMN due_at timestamptz,
ADD COLUMN back_from timestamptz,
ADD COLUMN set_back interval;
-- Without seen_at, so that a heartbeat changes no index.
DROP INDEX evtrack.worker_live;
CREATE INDEX worker_live ON evtrack.worker (worker_id)
WHERE stopped_at IS NULL AND lost_at IS NULL;
-- What one session does at a time locks its row here: unlike an advisory lock,
-- nobody else can take it. A duty of several transactions names its session,
-- and a random advisory lock that this session holds; one that is done once in a
-- while keeps when it was done last.
CREATE TABLE evtrack.duty (
    duty text PRIMARY KEY,
    pid integer,
    lock_key bigint,
    done_at timestamptz
);
INSERT INTO evtrack.duty
VALUES ('alerts'), ('partitions'), ('cleanup'), ('compaction');
REVOKE ALL ON evtrack.duty FROM public;

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

-- What they take and return changes.
DROP FUNCTION IF EXISTS evtrack.check_alerts(
    interval, float8, interval, bigint, bigint, interval, float8
);
DROP FUNCTION IF EXISTS evtrack.reap(interval, interval);
DROP FUNCTION IF EXISTS evtrack.heartbeat(bigint, integer);
DROP FUNCTION IF EXISTS evtrack.steady_since(timestamptz, interval);
DROP FUNCTION IF EXISTS evtrack.compact_progress(bigint);
DROP FUNCTION IF EXISTS evtrack.job_attempts(date, bigint, timestamptz);
