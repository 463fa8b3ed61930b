-- What attributes a crash: how carefully a batch must run next, which item of
-- it is in hand, and when the clock of the server last stepped.
-- least-code: 0.1.0

-- How carefully the next attempt of a batch must run; a later level is more
-- careful, and the last includes all others.
CREATE TYPE evtrack.isolation AS ENUM (
    'none', 'fresh_slot', 'memory', 'marked', 'exclusive'
);
ALTER TABLE evtrack.batch
ADD COLUMN isolation evtrack.isolation NOT NULL DEFAULT 'none',
ADD COLUMN exclusive_losses smallint NOT NULL DEFAULT 0;
-- What must run alone in its worker, found among the many that need not.
CREATE INDEX batch_isolated ON evtrack.batch (job_id, run_at)
WHERE run_at IS NOT NULL AND isolation IN ('memory', 'exclusive');

-- Which items of a suspect have begun, and which are done, committed as it
-- happens. Not part of the log: what a lost worker leaves here becomes events
-- when it is declared lost. Ordinal 0 stands for the whole batch.
CREATE TABLE evtrack.item_mark (
    job_id bigint NOT NULL,
    batch_no integer NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    attempt integer NOT NULL,
    exclusive boolean NOT NULL,
    done boolean NOT NULL DEFAULT false,
    line text,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, batch_no, ordinal)
);

ALTER TABLE evtrack.worker
-- Whether it commits the marks of suspects.
ADD COLUMN marks boolean NOT NULL DEFAULT false,
-- When it was asked to stop.
ADD COLUMN stopping_at timestamptz,
-- What its slots run now, as an array of objects, and as of when.
ADD COLUMN in_hand jsonb,
ADD COLUMN in_hand_at timestamptz;

-- What a worker's successor reports of one of its batches; see report_death().
CREATE TYPE evtrack.batch_at_death AS (
    job_id bigint, batch_no integer, attempt integer, begun boolean,
    in_hand integer, done int4multirange, results text
);

-- Upkeep belongs to one process at a time, and shows it when the clock steps.
CREATE TABLE evtrack.upkeep (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    reaped_at timestamptz,
    steady_since timestamptz
);
INSERT INTO evtrack.upkeep DEFAULT VALUES;

REVOKE ALL ON evtrack.item_mark, evtrack.upkeep FROM public;

-- What they take and return changes.
DROP FUNCTION IF EXISTS evtrack.lose(evtrack.worker, text);
DROP FUNCTION IF EXISTS evtrack.crash_one(
    bigint, bigint, integer, jsonb, int4multirange, text
);
DROP FUNCTION IF EXISTS evtrack.claim(
    bigint, bigint[], integer[], integer, text[], integer
);
DROP FUNCTION IF EXISTS evtrack.claimable(text[], bigint[], integer[]);
DROP FUNCTION IF EXISTS evtrack.register_worker(
    text, text, integer, integer, text[], text
);
DROP FUNCTION IF EXISTS evtrack.complete(
    bigint, bigint[], integer[], integer[], float8[], text[]
);
DROP FUNCTION IF EXISTS evtrack.raise_alert(
    text, text, text, text, jsonb, bigint
);
DROP FUNCTION IF EXISTS evtrack.check_alerts(
    interval, float8, interval, bigint, bigint
);
