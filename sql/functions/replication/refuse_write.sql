-- Reject writes to a database that receives its tables from another one.
CREATE OR REPLACE FUNCTION evtrack.refuse_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'this database receives evtrack''s tables from another one '
        'by logical replication, so nothing else may write to %.%',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = '55000', HINT = 'Work with the other database until '
        '`evtrack migrate end-replication` was run here.';
END $$;
