-- Where this user can read the schema's version: in the view evtrack.migration, or in an older schema in the table
-- evtrack.schema_version. NULL where there is no evtrack schema.
SELECT
    CASE
        WHEN to_regclass('evtrack.schema_version') IS NULL THEN NULL
        WHEN to_regclass('evtrack.migration') IS NULL THEN 'schema_version'
        ELSE 'migration'
    END AS source
