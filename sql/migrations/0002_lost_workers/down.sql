DROP INDEX evtrack.job_open;
ALTER TABLE evtrack.worker DROP COLUMN session_lock, DROP COLUMN gone_at;
DROP FUNCTION IF EXISTS evtrack.reap(interval, interval);
DROP FUNCTION IF EXISTS evtrack.crash(
    bigint, bigint[], integer[], integer[], jsonb[], text[], text[]
);
