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

-- Positions in the log.

-- What they take and return changes.
SELECT 1;
