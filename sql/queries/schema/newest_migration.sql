-- The newest applied migration, and the oldest evtrack that works with it.
SELECT
    version,
    least_code
FROM evtrack.migration
ORDER BY version DESC
LIMIT 1
