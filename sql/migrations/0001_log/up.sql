-- The log, the projection, the payloads. See docs/concepts.md for the words.
-- least-code: 0.1.0

CREATE TYPE evtrack.status AS ENUM (
    'pending', 'running', 'completed', 'failed', 'crashed', 'split', 'cancelled'
);
CREATE TYPE evtrack.phase AS ENUM (
    'open', 'abandoned', 'sealed', 'finished', 'cancelled'
);
CREATE TYPE evtrack.event_type AS ENUM (
    'enqueued', 'started', 'completed', 'failed', 'crashed', 'requeued',
    'split', 'cancelled', 'late_result', 'created', 'extended', 'noted',
    'sealed', 'suspended', 'resumed', 'abandoned', 'reclaimed', 'reopened',
    'finished'
);

CREATE SEQUENCE evtrack.event_seq AS bigint;
CREATE SEQUENCE evtrack.job_id_seq AS bigint;
CREATE SEQUENCE evtrack.worker_id_seq AS bigint;

-- The log. INSERT is the only way in, cleanup of whole days the only way out.
-- Keys lead with the job: inside a partition job_day is all one value, and
-- who does not know the day still finds the row.
CREATE TABLE evtrack.event (
    job_day date NOT NULL,
    job_id bigint NOT NULL,
    batch_no integer NOT NULL CHECK (batch_no >= 0),
    version integer NOT NULL CHECK (version >= 1),
    type evtrack.event_type NOT NULL,
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    worker_id bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seq bigint NOT NULL DEFAULT nextval('evtrack.event_seq'),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    data jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, batch_no, version, job_day)
) PARTITION BY RANGE (job_day);
-- Readers tail the log in windows of xid, ordered by seq inside one.
CREATE INDEX event_tail ON evtrack.event (xid, seq);
-- Errors and crashes are few and asked for often.
CREATE INDEX event_trouble ON evtrack.event (job_id, type, at)
WHERE type IN ('failed', 'crashed');

-- The projection: what the log says now. Only evtrack.fold() writes these
-- three tables.
CREATE TABLE evtrack.job (
    job_id bigint PRIMARY KEY,
    job_day date NOT NULL,
    handler text NOT NULL,
    name text,
    priority smallint NOT NULL DEFAULT 0,
    phase evtrack.phase NOT NULL DEFAULT 'open',
    suspended boolean NOT NULL DEFAULT false,
    version integer NOT NULL,
    policy jsonb NOT NULL DEFAULT '{}',
    source jsonb NOT NULL DEFAULT '{}',
    position jsonb,
    bytes_read bigint NOT NULL DEFAULT 0,
    bytes_total bigint,
    batch_count integer NOT NULL DEFAULT 0,
    item_count bigint NOT NULL DEFAULT 0,
    invalid_count bigint NOT NULL DEFAULT 0,
    note_count bigint NOT NULL DEFAULT 0,
    submitter uuid,
    created_at timestamptz NOT NULL,
    extended_at timestamptz,
    sealed_at timestamptz,
    finished_at timestamptz,
    cancelled_at timestamptz
);
CREATE INDEX job_claimable ON evtrack.job (handler, priority DESC, job_id)
WHERE phase IN ('open', 'abandoned', 'sealed') AND NOT suspended;
CREATE INDEX job_recent ON evtrack.job (created_at DESC);
CREATE INDEX job_unfinished ON evtrack.job (job_id) WHERE phase = 'sealed';

-- Half of each page is left free: a batch is updated twice in its life, and
-- its completion touches no indexed column, so that update stays in the page.
CREATE TABLE evtrack.batch (
    job_day date NOT NULL,
    job_id bigint NOT NULL,
    batch_no integer NOT NULL,
    status evtrack.status NOT NULL,
    fresh boolean NOT NULL,
    version integer NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    errors smallint NOT NULL DEFAULT 0,
    crashes smallint NOT NULL DEFAULT 0,
    losses smallint NOT NULL DEFAULT 0,
    item_count integer NOT NULL,
    root_no integer,
    parent_no integer,
    run_s float8,
    weight bigint NOT NULL,
    worker_id bigint,
    run_at timestamptz,
    enqueued_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    ordinals int4multirange NOT NULL,
    error text,
    PRIMARY KEY (job_id, batch_no, job_day)
) PARTITION BY RANGE (job_day);
-- The + 0 keeps the primary key from serving in this index's place, which a
-- plan made while the table is empty chooses as gladly, and which walks over
-- all that is finished.
CREATE INDEX batch_fresh ON evtrack.batch (job_id, (batch_no + 0))
WHERE fresh;
CREATE INDEX batch_returning ON evtrack.batch (job_id, run_at)
WHERE run_at IS NOT NULL;
CREATE INDEX batch_derived ON evtrack.batch (job_id, root_no, batch_no)
WHERE root_no IS NOT NULL;

-- Changes of the sums, one row a job, session and ten seconds; their total
-- is the state now, their course is its history. A session writes only rows
-- of its own (shard = backend pid), so nobody waits for a counter, and the
-- bucket keeps the chains of dead row versions short under an old snapshot.
CREATE TABLE evtrack.progress (
    job_id bigint NOT NULL,
    shard integer NOT NULL,
    bucket integer NOT NULL,
    pending_batches bigint NOT NULL DEFAULT 0,
    pending_items bigint NOT NULL DEFAULT 0,
    running_batches bigint NOT NULL DEFAULT 0,
    running_items bigint NOT NULL DEFAULT 0,
    completed_batches bigint NOT NULL DEFAULT 0,
    completed_items bigint NOT NULL DEFAULT 0,
    failed_batches bigint NOT NULL DEFAULT 0,
    failed_items bigint NOT NULL DEFAULT 0,
    crashed_batches bigint NOT NULL DEFAULT 0,
    crashed_items bigint NOT NULL DEFAULT 0,
    split_batches bigint NOT NULL DEFAULT 0,
    split_items bigint NOT NULL DEFAULT 0,
    cancelled_batches bigint NOT NULL DEFAULT 0,
    cancelled_items bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, shard, bucket)
) WITH (fillfactor = 50);

-- The items. Not part of the log: a payload may be deleted (set to null).
CREATE TABLE evtrack.payload (
    job_day date NOT NULL,
    job_id bigint NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 1),
    batch_no integer NOT NULL,
    line integer,
    item_key text NOT NULL CHECK (strpos(item_key, E'\n') = 0),
    payload text CHECK (strpos(payload, E'\n') = 0),
    PRIMARY KEY (job_id, ordinal, job_day)
) PARTITION BY RANGE (job_day);
CREATE INDEX payload_key ON evtrack.payload (item_key, job_id);

-- What handlers returned: a line of JSON for each item of `ordinals`, in
-- order, an empty line where nothing was returned.
CREATE TABLE evtrack.result (
    job_day date NOT NULL,
    job_id bigint NOT NULL,
    batch_no integer NOT NULL,
    ordinals int4multirange NOT NULL,
    lines text NOT NULL,
    PRIMARY KEY (job_id, batch_no, job_day)
) PARTITION BY RANGE (job_day);

-- Who works. Not part of the log: a row says only when it was last seen.
CREATE TABLE evtrack.worker (
    worker_id bigint PRIMARY KEY DEFAULT nextval('evtrack.worker_id_seq'),
    name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    slots integer NOT NULL,
    handlers text[] NOT NULL,
    version text NOT NULL,
    busy integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped_at timestamptz,
    lost_at timestamptz
) WITH (fillfactor = 50);
CREATE INDEX worker_live ON evtrack.worker (seen_at)
WHERE stopped_at IS NULL AND lost_at IS NULL;

-- A payload up to 8 kB stays in its row: pglz costs more than it saves here,
-- and a second table costs an index entry for each 2 kB. Partitions get
-- toast_tuple_target with evtrack.make_partitions().
ALTER TABLE evtrack.payload ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE evtrack.result ALTER COLUMN lines SET STORAGE EXTERNAL;

-- The triggers' functions are replaced whole from sql/functions/ right after;
-- until then nothing can enter the log.
CREATE FUNCTION evtrack.fold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'evtrack functions are not installed'; END $$;
CREATE FUNCTION evtrack.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'evtrack functions are not installed'; END $$;

CREATE TRIGGER event_fold AFTER INSERT ON evtrack.event
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION evtrack.fold();
-- Cloned to each partition, where statement triggers of the parent do not see
-- what is said to the partition itself.
CREATE TRIGGER event_immutable BEFORE UPDATE OR DELETE ON evtrack.event
FOR EACH ROW EXECUTE FUNCTION evtrack.refuse();
CREATE TRIGGER event_immutable_statement
BEFORE UPDATE OR DELETE OR TRUNCATE ON evtrack.event
FOR EACH STATEMENT EXECUTE FUNCTION evtrack.refuse();
-- ALWAYS: session_replication_role = replica does not lead around them.
ALTER TABLE evtrack.event ENABLE ALWAYS TRIGGER event_fold;
ALTER TABLE evtrack.event ENABLE ALWAYS TRIGGER event_immutable;
ALTER TABLE evtrack.event ENABLE ALWAYS TRIGGER event_immutable_statement;

REVOKE ALL ON ALL TABLES IN SCHEMA evtrack FROM public;
