-- What is known of jobs that came back from an archive.
-- least-code: 0.1.0

-- Not part of the log, which is as it was; with the job it goes.
CREATE TABLE evtrack.restored (
    job_id bigint PRIMARY KEY,
    restored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whether its items came back with it; an archive may have the log alone.
    with_items boolean NOT NULL
);
REVOKE ALL ON evtrack.restored FROM public;
