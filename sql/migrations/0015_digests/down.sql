-- loses: the digests of jobs that were created since, if evtrack.job has rows
DROP FUNCTION IF EXISTS evtrack.event_bytes(
    bigint, integer, integer, evtrack.event_type, integer, bigint, timestamptz,
    bigint, xid8, jsonb
);
DROP FUNCTION IF EXISTS evtrack.next_links(
    bytea, integer, bigint, integer, integer, evtrack.event_type, integer,
    bigint, timestamptz, bigint, xid8, jsonb
);
DROP FUNCTION IF EXISTS evtrack.digest_content(
    smallint, bigint, integer, integer, evtrack.event_type, integer, bigint,
    timestamptz, bigint, xid8, jsonb
);
DROP FUNCTION IF EXISTS evtrack.digest_size(smallint);
DROP FUNCTION IF EXISTS evtrack.last_batch_link(bytea, integer);
DO $$
DECLARE
    place text;
BEGIN
    FOR place IN
        SELECT i.indexrelid::regclass::text
        FROM pg_inherits h
        JOIN pg_index i ON i.indrelid = h.inhrelid AND i.indisprimary
        WHERE h.inhparent = 'evtrack.event'::regclass
    LOOP
        EXECUTE format('ALTER INDEX %s RESET (fillfactor)', place);
    END LOOP;
END $$;
ALTER TABLE evtrack.event
ADD CONSTRAINT event_batch_no_check CHECK (batch_no >= 0),
ADD CONSTRAINT event_version_check CHECK (version >= 1),
ADD CONSTRAINT event_attempt_check CHECK (attempt >= 0);
DROP INDEX evtrack.event_tail;
CREATE INDEX event_tail ON evtrack.event (xid, seq);
-- As if they were older than digests. The events of their batches stay as they
-- are: older code cannot read those that name only the first ordinal.
DELETE FROM evtrack.job_link AS l USING evtrack.job AS j
WHERE l.job_id = j.job_id AND j.digest_form = 2;
UPDATE evtrack.batch AS b SET links = NULL
FROM evtrack.job AS j
WHERE j.digest_form = 2 AND b.job_day = j.job_day AND b.job_id = j.job_id;
UPDATE evtrack.job SET links = NULL
WHERE digest_form = 2;
ALTER TABLE evtrack.job DROP COLUMN digest_form;
