CREATE OR REPLACE VIEW evtrack.migration AS
SELECT
    v.version,
    v.name,
    v.least_code,
    v.applied_at
FROM evtrack.schema_version AS v;

COMMENT ON VIEW evtrack.migration IS 'One row per migration that was applied.';
COMMENT ON COLUMN evtrack.migration.least_code IS 'The oldest evtrack version that works with it.';
