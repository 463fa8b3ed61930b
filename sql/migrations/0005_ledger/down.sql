-- loses: the list of jobs that were dropped, if evtrack.ledger has rows
DROP TABLE evtrack.ledger;
DROP FUNCTION IF EXISTS evtrack.drop_day(
    date, timestamptz, pg_snapshot, bigint[], bigint[], bytea[], text
);
