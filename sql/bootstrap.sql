-- The tables that record the migrations. Runs first, in the same transaction as each migration.
CREATE SCHEMA IF NOT EXISTS evtrack;
CREATE TABLE IF NOT EXISTS evtrack.schema_version (
    version integer PRIMARY KEY CHECK (version >= 1),
    name text NOT NULL,
    checksum text NOT NULL,
    least_code text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE evtrack.schema_version IS 'The migrations that were applied.';
CREATE TABLE IF NOT EXISTS evtrack.schema_object (
    path text PRIMARY KEY,
    checksum text NOT NULL,
    code text NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE evtrack.schema_object IS 'The functions and views that are installed, and from which text.';
REVOKE ALL ON SCHEMA evtrack FROM public;
