-- The newest applied migration, and the oldest evtrack that works with it.
SELECT
    version,
    least_code
FROM evtrack.schema_version
ORDER BY version DESC
LIMIT 1
