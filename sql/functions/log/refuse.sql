-- Reject whatever this trigger guards against: the log is immutable.
CREATE OR REPLACE FUNCTION evtrack.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the event log is append-only',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'EV002',
        HINT = CASE
            WHEN current_setting('session_replication_role') = 'replica'
                THEN 'A subscription can copy a log only into a database that '
                '`evtrack migrate begin-replication` has prepared: see '
                '"Logical replication" in docs/operations.md.'
            ELSE 'Insert into evtrack.event itself, or call the functions of '
                'schema evtrack. To correct an event, append another one. '
                'Restore a dump as a whole, into an empty database.' END;
END $$;
