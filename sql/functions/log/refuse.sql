-- Reject whatever this trigger guards against: the log is immutable.
CREATE OR REPLACE FUNCTION evtrack.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the event log is append-only',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'EV002',
        HINT = 'Insert into evtrack.event itself, or call the functions of '
            'schema evtrack. To correct an event, append another one.';
END $$;
