-- What the dashboard reads and shows.
-- least-code: 0.1.0

-- What `evtrack verify` found, see record_verification(). A job's rows are
-- deleted with the job.
CREATE TABLE evtrack.verification (
    job_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    verified_by text NOT NULL DEFAULT session_user,
    outcome text NOT NULL CHECK (
        outcome IN ('whole', 'open', 'departs', 'damaged')
    ),
    event_count bigint NOT NULL CHECK (event_count >= 0),
    difference_count bigint NOT NULL CHECK (difference_count >= 0),
    differences jsonb NOT NULL DEFAULT '[]',
    digest bytea,
    PRIMARY KEY (job_id, at)
);
REVOKE ALL ON evtrack.verification FROM public;

-- Crashes over all jobs, latest first. To build it, the log is read once, and
-- reports wait meanwhile: a few seconds per ten million events.
CREATE INDEX event_crash ON evtrack.event (at, job_id, batch_no)
WHERE type = 'crashed';

-- The jobs that have not ended, whatever their number and that of the others.
CREATE INDEX job_active ON evtrack.job (job_id)
WHERE phase IN ('open', 'abandoned', 'sealed');
