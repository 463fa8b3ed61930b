-- What tells a lost worker from a slow one.
-- least-code: 0.1.0

-- Whether the worker's heartbeat comes through a session that holds its lock:
-- behind a transaction pooler it does not, and the heartbeat alone serves.
ALTER TABLE evtrack.worker
ADD COLUMN session_lock boolean NOT NULL DEFAULT false;
-- Since when its lock is seen gone.
ALTER TABLE evtrack.worker ADD COLUMN gone_at timestamptz;

-- Who reaps looks through the jobs that are being submitted, each second.
CREATE INDEX job_open ON evtrack.job (job_id) WHERE phase = 'open';

-- It takes what is done and what came of it, too.
DROP FUNCTION IF EXISTS evtrack.crash(
    bigint, bigint[], integer[], integer[], jsonb[]
);
