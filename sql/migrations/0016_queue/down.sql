DROP FUNCTION IF EXISTS evtrack.exchange(
    bigint, bigint[], integer[], integer[], float8[], text[], bigint[],
    float8[], bigint[], integer[], integer, text[], integer, integer
);
DROP FUNCTION IF EXISTS evtrack.exchange_of_day(
    date, bigint, bigint[], integer[], integer[], float8[], text[], bigint[],
    float8[], bigint[], integer[], integer, text[]
);
DROP FUNCTION IF EXISTS evtrack.raise_marks(bigint[]);

CREATE INDEX batch_fresh ON evtrack.batch (job_id, (batch_no + 0))
WHERE fresh;

ALTER TABLE evtrack.job DROP COLUMN fresh_after;

DO $$
DECLARE
    place text;
BEGIN
    FOR place IN
        SELECT h.inhrelid::regclass::text
        FROM pg_inherits h
        WHERE h.inhparent = 'evtrack.batch'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', place);
    END LOOP;
END $$;
